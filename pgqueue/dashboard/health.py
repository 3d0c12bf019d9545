"""Is it well: what the doctor finds, asked at most every half minute for all visitors together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg

from ..database.link import connection_string
from ..doctor import Finding, examine

LOG = logging.getLogger("pgqueue.dashboard")
EVERY = 30.0
"""Seconds between two examinations."""
TIMES = 20
"""An examination that took long is made the more seldom: some checks read all live jobs."""
MOST = 5.0
"""Seconds of one check."""
PATIENCE = 0.1
"""Seconds that a page waits for the first one."""
WHERE = {
    "queues": "queues",
    "pauses": "queues",
    "limits": "queues",
    "blocked": "queues",
    "tasks": "tasks",
    "schedules": "schedules",
    "workers": "workers",
    "versions": "workers",
}
"""The page where a check's findings are mended; else it is the one about the database."""


class Health(NamedTuple):
    """What the last examination found. None: there was none yet."""

    findings: list[Finding] | None

    @property
    def troubles(self) -> list[Finding]:
        """What is not well, problems first."""
        found = [finding for finding in self.findings or () if finding.status != "ok"]
        return sorted(found, key=lambda finding: finding.status != "problem")


class Doctor:
    """Examines in a thread, on a connection of its own. `tell` is called when it has found out."""

    def __init__(self, dsn: str, tell: Callable[[], None]) -> None:
        self._conninfo = connection_string(dsn, "pgqueue dashboard doctor")
        self._tell = tell
        self._health = Health(None)
        self._again_at = 0.0
        self._examining: asyncio.Task[None] | None = None
        self._connection: psycopg.Connection[Any] | None = None

    async def health(self) -> Health:
        """The newest findings. Those that are old are fetched anew meanwhile."""
        idle = self._examining is None or self._examining.done()
        if idle and time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + EVERY
            self._examining = asyncio.create_task(self._examine(), name="pgqueue dashboard doctor")
        if self._health.findings is None and self._examining is not None:
            await asyncio.wait([self._examining], timeout=PATIENCE)
        return self._health

    def forget(self) -> None:
        """Examine anew when somebody asks, as after an action."""
        self._again_at = 0.0

    async def close(self) -> None:
        """End an examination that is on its way, check by check."""
        while self._examining is not None and not self._examining.done():
            if self._connection is not None:
                with contextlib.suppress(psycopg.Error):
                    await asyncio.to_thread(self._connection.cancel)
            await asyncio.wait([self._examining], timeout=0.1)

    async def _examine(self) -> None:
        before, began = self._health, time.monotonic()
        try:
            self._health = Health(await asyncio.to_thread(self._find))
        except (psycopg.Error, OSError) as error:
            LOG.warning("the doctor found nothing out: %s", error)
        took = time.monotonic() - began
        self._again_at = max(self._again_at, time.monotonic() + TIMES * took)
        if self._health != before:
            self._tell()

    def _find(self) -> list[Finding]:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            self._connection = connection
            try:
                return examine(connection, timeout=MOST)
            finally:
                self._connection = None
