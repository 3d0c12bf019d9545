"""Chores that any worker may do at any time, as often as it likes: promote, rescue, prune.

Nobody is elected for them: each is safe to run twice, and row locks keep workers out of each
other's way.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import NoReturn

import psycopg

from ..database.link import LONGEST_PAUSE, Link
from ..database.statement import Statement
from ..events import JobRescued, Observer, Trouble
from ..outcome import describe

_PROMOTE, _RESCUE = Statement("promote"), Statement("rescue")
_PRUNE, _PARTITIONS = Statement("prune"), Statement("partitions")

PROMOTE_BATCH = 1_000
LONGEST_SLEEP = 5.0
"""Seconds between looks for due jobs that other processes may have scheduled."""
AWAKE_SLEEP = 1.0
"""The same while the worker is busy, and so is not told of new jobs."""
LONGEST_BEHIND = 0.05
"""Seconds between batches of due jobs at most."""
THOROUGH_EVERY = 60.0
PRUNE_EVERY = 60.0
PRUNE_BATCH = 10_000


class Janitor:
    """Makes due jobs ready, takes jobs back from dead workers, and removes what nobody keeps."""

    def __init__(
        self,
        link: Link,
        worker: str,
        *,
        rescue_every: float,
        asleep: Callable[[], bool],
        promoted: Callable[[], None],
        emit: Observer,
    ) -> None:
        self._link = link
        self._worker = worker
        self._rescue_every = rescue_every
        self._asleep = asleep
        self._promoted = promoted
        self._emit = emit
        self._poked = asyncio.Event()
        self._behind = 0.0
        now = time.monotonic()
        self._looked = now
        self._connections = 1
        self._waits = False
        self._rescue_due = now
        self._thorough_due = now + THOROUGH_EVERY * random.random()  # noqa: S311 - jitter
        self._prune_due = now + 5 * random.random()  # noqa: S311 - jitter

    def poke(self) -> None:
        """A job may have become due earlier than known: look again."""
        self._poked.set()

    async def run(self) -> NoReturn:
        while True:
            self._poked.clear()
            try:
                pause = await self.run_once()
            except (psycopg.Error, TimeoutError) as error:
                self._emit(Trouble(self._worker, "janitor", describe(error).message))
                pause = AWAKE_SLEEP
            try:
                async with asyncio.timeout(pause):
                    await self._poked.wait()
            except TimeoutError:
                pass

    async def run_once(self) -> float:
        """Do what is due. Returns the seconds until something will be."""
        pause = await self.promote()
        now = time.monotonic()
        self._doubt(now)
        if now >= self._rescue_due:
            await self._rescue(thorough=now >= self._thorough_due)
        if now >= self._prune_due:
            await self._prune()
        until_rescue = max(0.0, self._rescue_due - time.monotonic())
        longest = LONGEST_SLEEP if self._asleep() else AWAKE_SLEEP
        return min(pause, until_rescue, longest * random.uniform(0.8, 1.0))  # noqa: S311 - jitter

    async def promote(self) -> float:
        """Make due jobs ready. Returns the seconds until the next one is due."""
        rows = await self._link.fetch(_PROMOTE.text, {"max_jobs": PROMOTE_BATCH})
        until: float | None = rows[0][0]
        if until is None:
            self._behind = 0.0
            return LONGEST_SLEEP
        if until > 0:
            self._behind = 0.0
            return until
        # More than one batch is due; or somebody has locked what is, hence the pause.
        self._promoted()
        self._behind = min(max(0.001, self._behind * 1.5), LONGEST_BEHIND)
        return self._behind

    def _doubt(self, now: float) -> None:
        """After an outage, or a sleep of this process, a missing heartbeat does not mean that a
        worker is dead. Give all of them the time to beat again; but put it off once only.
        """
        cut_off = self._link.connections > self._connections
        if (cut_off or now - self._looked > LONGEST_SLEEP + self._rescue_every) and not self._waits:
            self._waits = True
            self._rescue_due = now + 2 * self._rescue_every + LONGEST_PAUSE
        self._connections, self._looked = max(1, self._link.connections), now

    async def _rescue(self, *, thorough: bool) -> None:
        rows = await self._link.fetch(_RESCUE.text, {"thorough": thorough})
        self._waits = False
        now = time.monotonic()
        self._rescue_due = now + self._rescue_every * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        if thorough:
            self._thorough_due = now + THOROUGH_EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        for job_id, queue, task, worker_id, worker, state in rows:
            lost = f"{worker} ({worker_id})" if worker else f"worker {worker_id}"
            self._emit(JobRescued(self._worker, job_id, task, queue, lost, state))

    async def _prune(self) -> None:
        self._prune_due = time.monotonic() + PRUNE_EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        await self._link.fetch(_PARTITIONS.text)
        await self._link.fetch(_PRUNE.text, {"max_rows": PRUNE_BATCH})
