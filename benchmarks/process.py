"""Processes that are measured, or that make others busy: one JSON line in, one JSON line out.

parent   order ─────────▶          go ─▶                    ◀───────── stop (SIGTERM), or none
child           … ready ◀─────────      what is measured …  ─────────▶ result
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Self

from .errors import BenchmarkError

DSN = "PGQUEUE_DSN"
"""Not an argument: those are shown to every user of the machine."""
READY_WITHIN = 60.0
GOING_ON = 120.0
"""Seconds without a result after which a process is taken to be stuck."""
READ = 65536


class Process:
    """A module of this package as a process, in a group of its own: Ctrl-C reaches us only."""

    def __init__(self, module: str, dsn: str) -> None:
        self._module = module
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._said = b""
        # -P: a file json.py in the current directory is not to be ours.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", f"{__package__}.{module}"],
            env=os.environ | {DSN: dsn},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            process_group=0,
        )
        self.pid = self._process.pid

    def order(self, **what: Any) -> None:
        """Say what is to be done; it gets ready for it."""
        self._tell(json.dumps(what))

    def await_ready(self) -> None:
        """Until it could begin."""
        if self._hear(READY_WITHIN) != "ready":
            raise self._failed("said something else than that it is ready")

    def go(self) -> None:
        """Let it begin."""
        self._tell("go")

    def result(self, within: float = GOING_ON) -> dict[str, Any]:
        """What it found, once it is done."""
        found: dict[str, Any] = self._hear(within)
        return found

    def stop(self) -> dict[str, Any]:
        """Ask it to come to its end, and hear what it found."""
        self._process.send_signal(signal.SIGTERM)
        return self.result()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("ended") from None

    def _hear(self, within: float) -> Any:
        """Its next line."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + within
        while b"\n" not in self._said:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise self._failed(f"said nothing for {within:g} seconds")
            more = os.read(self._process.stdout.fileno(), READ)
            if not more:
                raise self._failed("ended")
            self._said += more
        line, _, self._said = self._said.partition(b"\n")
        return json.loads(line)

    def _failed(self, how: str) -> BenchmarkError:
        self._log.seek(0)
        words = self._log.read().decode(errors="replace").splitlines()[-12:]
        what = f"a process of the benchmarks ({self._module}) {how}."
        return BenchmarkError("\n".join([what, *words]))


# The other side


def orders() -> Iterator[dict[str, Any]]:
    """What this process is told to do, until nobody is there any more to tell."""
    for line in iter(sys.stdin.readline, ""):
        yield json.loads(line)


def await_go() -> None:
    """Say that we are ready, and wait for the word."""
    say("ready")
    if not sys.stdin.readline():
        raise SystemExit(1)


def say(document: Any) -> None:
    print(json.dumps(document), flush=True)
