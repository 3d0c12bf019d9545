"""The worker processes: started, killed, stopped, and none left behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..errors import CommandError
from .tasks import PAUSE

GRACE = 20.0
"""Seconds for a worker to stop when asked, before it is killed."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended that was asked to: with an exit code, or not in time (None)."""

    name: str
    code: int | None
    last_words: str


class Process:
    """One worker process, in a group of its own: Ctrl-C reaches the demo only, which ends us."""

    def __init__(self, name: str, dsn: str, pause: float) -> None:
        self.name = name
        self.was_killed = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        # -P: a file ast.py in the current directory is not to be ours.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", f"{__package__}.worker", name],
            env=os.environ | {"PGQUEUE_DSN": dsn, PAUSE: str(pause)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            process_group=0,
        )
        self.pid = self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def ask(self) -> None:
        """SIGTERM: finish what runs, then end."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, as by the kernel when memory is short."""
        self.was_killed = True
        self._process.kill()
        self._process.wait()

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None if it still runs after so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(max(0.0, seconds))
        return None

    def last_words(self) -> str:
        """The end of what it has said."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 2_000))
        lines = self._log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-12:])

    def close(self) -> None:
        if self.exit_code is None:
            self.kill()
        self._log.close()


class Crew:
    """All worker processes of a demo. At the end of the block none of them lives."""

    def __init__(self, dsn: str, pause: float) -> None:
        self._dsn, self._pause = dsn, pause
        self.members: list[Process] = []

    def start(self) -> Process:
        """One more worker: demo-1, demo-2 and so on."""
        member = Process(f"demo-{len(self.members) + 1}", self._dsn, self._pause)
        self.members.append(member)
        return member

    def check(self) -> None:
        """Raise CommandError if a worker ended that nobody ended."""
        for member in self.members:
            if member.exit_code is not None and not member.was_killed:
                raise CommandError(
                    f"worker {member.name} ended by itself with exit code {member.exit_code}.",
                    member.last_words(),
                    "if the machine is not short of memory, this is a bug: please report it.",
                )

    def stop(self) -> list[Exit]:
        """Ask all who still run to stop, and wait."""
        asked = [member for member in self.members if member.exit_code is None]
        for member in asked:
            member.ask()
        deadline = time.monotonic() + GRACE
        return [
            Exit(member.name, member.wait(deadline - time.monotonic()), member.last_words())
            for member in asked
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            for member in self.members:
                member.close()
