"""How much processor time the server spends on us, where it runs on this machine."""

from __future__ import annotations

import threading
from typing import Self

import psycopg

from .lab import Lab
from .machine import cpu_seconds_of_one_thread, is_a_server_here

LOOK_EVERY = 0.01
EAGER = 50
"""Looks at the beginning, when a worker connects, each of which searches for new processes."""
LOOKS_FOR_EACH_SEARCH = 10
BACKENDS = """
SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
"""


class BackendWatch:
    """Looks at the processor time of the server's processes that serve us, until they are gone.

    `seconds` stays None when the server is not on this machine.
    """

    def __init__(self, lab: Lab, beside: psycopg.Connection) -> None:
        self._lab, self._beside = lab, beside
        self._is_here = is_a_server_here(beside.info.backend_pid)
        self._used: dict[int, tuple[float, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def seconds(self) -> float | None:
        if not self._used:
            return None
        return sum(last - first for first, last in self._used.values())

    def start(self) -> None:
        if self._is_here:
            self._search(serves_us_already=True)
            self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        looks = 0
        while not self._over.wait(LOOK_EVERY):
            looks += 1
            if looks < EAGER or looks % LOOKS_FOR_EACH_SEARCH == 0:
                self._search()
            for pid, (first, _) in list(self._used.items()):
                used = cpu_seconds_of_one_thread(pid)
                if used is not None:
                    self._used[pid] = (first, used)

    def _search(self, *, serves_us_already: bool = False) -> None:
        """Find processes that came. What one that was there before has used is not counted."""
        for (pid,) in self._beside.execute(BACKENDS, [self._lab.place.name]).fetchall():
            used = cpu_seconds_of_one_thread(pid)
            if used is not None and pid not in self._used:
                self._used[pid] = (used if serves_us_already else 0.0, used)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
