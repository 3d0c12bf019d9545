"""How much of its work a worker process has done: when it has used up `max_jobs`, `max_idle` or
`max_rss_mb`.
"""

from __future__ import annotations

import time

from ..settings import WorkerSettings
from .memory import resident_mb
from .slots import Slots

MEMORY_CHECK = 1.0
"""Seconds between looks at the memory."""


class Stint:
    """The jobs that were claimed, and the time since the last one."""

    def __init__(self, settings: WorkerSettings, slots: Slots) -> None:
        self._settings = settings
        self._slots = slots
        self._last_job = time.monotonic()
        self._checked_memory = 0.0
        self.claimed = 0
        self.worn_out = False
        """Whether it is over because its process did, or used, as much as the settings allow."""

    def note(self, jobs: int) -> None:
        """So many jobs were claimed; or, below zero, given back before they began."""
        self.claimed += jobs
        self.rest()

    def rest(self) -> None:
        """Count the time without a job from now on."""
        self._last_job = time.monotonic()

    def left(self, room: int) -> int:
        """Of so many jobs, those that may still be claimed."""
        most = self._settings.max_jobs
        return room if most is None else min(room, most - self.claimed)

    def is_over(self) -> bool:
        """Whether it is enough."""
        settings = self._settings
        if settings.max_jobs is not None and self.claimed >= settings.max_jobs:
            # What is claimed will be run, unless there is no slot that will ever be free.
            self.worn_out = not self._slots.waiting or self._slots.stuck
            return self.worn_out
        now = time.monotonic()
        idle = now - self._last_job if self._slots.idle else 0.0
        if settings.max_idle is not None and idle > settings.max_idle:
            return True
        if settings.max_rss_mb is not None and now - self._checked_memory > MEMORY_CHECK:
            self._checked_memory = now
            self.worn_out = resident_mb() > settings.max_rss_mb
        return self.worn_out
