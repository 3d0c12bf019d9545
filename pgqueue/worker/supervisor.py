"""Several worker processes under one parent, which replaces those that die."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from .endings import ending

QUICK_DEATH = 2.0
"""A process that lived less than this many seconds is replaced more and more slowly."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
WORN_OUT = 75
"""Exit code of a process that did, or used, all that it was allowed: a fresh one goes on."""
USAGE = (2, 3)
"""Exit codes that another start would only repeat: wrong usage, database not ready."""


def stop_signals() -> list[signal.Signals]:
    """What asks a process to stop. A shell makes those in the background ignore Ctrl-C, and nohup
    the end of the terminal; that stays so.
    """
    optional = (signal.SIGINT, signal.SIGHUP)
    wanted = [number for number in optional if signal.getsignal(number) is not signal.SIG_IGN]
    return [signal.SIGTERM, *wanted]


@dataclass(slots=True)
class Place:
    """One of the processes, and when it may start again."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.0
    due: float = 0.0


def supervise(
    command: Sequence[str],
    processes: int,
    grace: float,
    *,
    of_its_own: Callable[[int], Sequence[str]] = lambda number: (),
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> int:
    """Run `processes` copies of a command until SIGTERM, SIGINT or SIGHUP, a second
    of which hurries them.

    A copy that ends with 0 has finished its work, and is not replaced; the parent ends with the
    last one. A copy that is worn out (max_jobs, max_rss_mb) is replaced at once. Any other end is
    an accident: another is started, more slowly if the copy died at once. Returns 0, or 2 or 3 when
    a copy says that it cannot work at all. `of_its_own` gives the arguments that only the copy of
    this number gets, counted from 1.
    """
    return _Supervisor(command, processes, grace, of_its_own, say).run()


class _Supervisor:
    def __init__(
        self,
        command: Sequence[str],
        processes: int,
        grace: float,
        of_its_own: Callable[[int], Sequence[str]],
        say: Callable[[str], None],
    ) -> None:
        self._command = command
        self._grace = grace
        self._of_its_own = of_its_own
        self._say = say
        self._places = [Place(number) for number in range(1, processes + 1)]
        self._stopping = False
        self._deadline = float("inf")

    def run(self) -> int:
        for number in stop_signals():
            signal.signal(number, self._on_signal)
        code = 0
        while self._places:
            now = time.monotonic()
            for place in self._places:
                if place.process is None and now >= place.due and not self._stopping:
                    self._start(place)
            time.sleep(0.05)
            for place in list(self._places):
                ended = self._reap(place)
                if ended is not None and ended in USAGE:
                    code = code or ended
                    self._stop()
            if time.monotonic() > self._deadline:
                self._kill()
        return code

    def _start(self, place: Place) -> None:
        # A group of its own: Ctrl-C reaches the parent only, which passes it on once.
        command = [*self._command, *self._of_its_own(place.number)]
        place.process = subprocess.Popen(command, process_group=0)
        place.started = time.monotonic()

    def _reap(self, place: Place) -> int | None:
        """The exit code of a process that ended just now."""
        if place.process is None:
            if self._stopping:
                self._places.remove(place)
            return None
        code = place.process.poll()
        if code is None:
            return None
        pid, place.process = place.process.pid, None
        if code == 0 or code in USAGE or self._stopping:
            self._places.remove(place)
            return code
        if code == WORN_OUT:
            self._say(
                f"worker process {place.number} (pid {pid}) reached its limit; a fresh one goes on"
            )
            return code
        lived = time.monotonic() - place.started
        place.pause = (
            min(max(place.pause * 2, FIRST_PAUSE), LONGEST_PAUSE) if lived < QUICK_DEATH else 0.0
        )
        place.due = time.monotonic() + place.pause
        self._say(
            f"worker process {place.number} (pid {pid}) died: {ending(code)}; starting another"
        )
        return code

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        """Pass the request on. Asking twice hurries them."""
        if not self._stopping:
            self._stopping = True
            self._deadline = time.monotonic() + self._grace + 20
        self._signal(signal.SIGTERM)

    def _kill(self) -> None:
        self._deadline = float("inf")
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    place.process.send_signal(number)
