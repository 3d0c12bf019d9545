"""A process that says it is ready, waits for the word, and prints JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any, Self

PATIENCE = 120.0


class Child:
    """A module of this package in a process of its own, with all that it starts."""

    def __init__(self, module: str, *arguments: str, say: str = "first") -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed when left
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.{module}", *arguments],
            env={**os.environ, "PEERS_SAY": say, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def line(self, patience: float = PATIENCE) -> dict[str, Any]:
        """The next line; waits for it. RuntimeError with what the process said if none comes."""
        try:
            line = self._lines.get(timeout=patience)
        except queue.Empty:
            line = None
        if line is None:
            self._errors.seek(0)
            said = self._errors.read()[-2000:]
            raise RuntimeError(f"no answer from {self._process.args}: {said}")
        return line

    def lines(self) -> list[dict[str, Any]]:
        """Those that have come meanwhile."""
        found = []
        with contextlib.suppress(queue.Empty):
            while line := self._lines.get_nowait():
                found.append(line)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """All is measured by now: no need to stop gracefully."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._errors.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._lines.put(json.loads(line))
        self._lines.put(None)


def start_together(children: list[Child]) -> None:
    """Let them go when all have imported what they need."""
    for child in children:
        child.line()
    for child in children:
        child.go()
