"""Tells the open pages that something changed: one LISTEN for the whole process.

Whoever acts through the dashboard or the command line is heard at once, by `pgqueue_changed`. What
jobs and workers do is found by asking each second whether any transaction took an id since: a
NOTIFY of each worker would wake every listening worker of the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

import psycopg

from ..database.link import Connection, connection_string

LISTEN = "LISTEN pgqueue_changed"
MARK = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
EVERY = 1.0
"""Seconds between questions, and at least between two events."""
RETRY = 2.0
LINGER = 30.0
"""Seconds without any open page after which it disconnects."""
MOST_PAGES = 200
"""Open pages that are told; others are told to come back later."""


class Live:
    """The open pages of one process. It is connected while there is one."""

    def __init__(self, dsn: str) -> None:
        self._conninfo = connection_string(dsn, "pgqueue dashboard live")
        self._pages: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self.changed_at = 0.0
        """When something changed for the last time, by the clock of this process."""

    @property
    def is_full(self) -> bool:
        return len(self._pages) >= MOST_PAGES

    def tell(self) -> None:
        """Let every open page ask again, as after an action of ours."""
        self.changed_at = time.monotonic()
        for page in self._pages:
            page.set()

    async def changes(self) -> AsyncGenerator[None, None]:
        """One item for each change, for one page, until it is closed."""
        page = asyncio.Event()
        self._pages.add(page)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name="pgqueue dashboard live")
        try:
            while True:
                await page.wait()
                page.clear()
                yield None
                await asyncio.sleep(EVERY)
        finally:
            self._pages.discard(page)

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while self._pages:
            try:
                async with await Connection.connect(
                    self._conninfo, autocommit=True, prepare_threshold=None
                ) as connection:
                    await self._follow(connection)
            except (psycopg.Error, OSError):
                await asyncio.sleep(RETRY)

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Until nobody has looked for a while: who goes from page to page comes back at once."""
        await connection.execute(LISTEN)
        before = None
        looked = time.monotonic()
        while self._pages or time.monotonic() < looked + LINGER:
            if self._pages:
                looked = time.monotonic()
            (mark,) = (await (await connection.execute(MARK)).fetchall())[0]
            if mark != before:
                before = mark
                self.tell()
            async for _ in connection.notifies(timeout=EVERY, stop_after=1):
                self.tell()
