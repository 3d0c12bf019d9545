"""Chores that any worker may do at any time, as often as it likes: promote, rescue, prune.

Nobody is elected for them: each is safe to run twice, and row locks keep workers out of each
other's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import psycopg

from ..database.link import LONGEST_PAUSE, Link
from ..database.statement import Statement
from ..events import JobRescued, Observer, Trouble
from ..outcome import describe

_PROMOTE, _RESCUE = Statement("promote"), Statement("rescue")
_ADD, _DROP = Statement("add_partitions"), Statement("drop_partitions")
_PRUNE = Statement("prune")

PROMOTE_BATCH = 1_000
LONGEST_SLEEP = 8.0
"""Seconds between looks for due jobs that other processes may have scheduled. Who enqueues rings
for a job that is due within 10 seconds.
"""
SHORTEST_SLEEP = 0.02
"""The same when it is told of one job after the other."""
AWAKE_SLEEP = 1.0
"""The same while the worker is busy, and so is not told of new jobs."""
LONGEST_BEHIND = 0.05
"""Seconds between batches of due jobs at most."""
THOROUGH_EVERY = 60.0
THOROUGH_DEADLINE = 600.0
"""Seconds for reading the whole table of live jobs."""
PRUNE_EVERY = 120.0
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
        self._rescue_wanted = True
        self._rescue_due = now
        self._thorough_due = now + THOROUGH_EVERY * random.random()  # noqa: S311 - jitter
        self._prune_due = now + 5 * random.random()  # noqa: S311 - jitter

    def poke(self) -> None:
        """A job may have become due earlier than known: look again."""
        self._poked.set()

    def rescue(self) -> None:
        """A worker stopped sending heartbeats: take its jobs back."""
        self._rescue_wanted = True
        self._poked.set()

    async def run(self) -> NoReturn:
        while True:
            self._poked.clear()
            pause = await self.run_once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._poked.wait()
                    if time.monotonic() - self._looked < SHORTEST_SLEEP:
                        await asyncio.sleep(SHORTEST_SLEEP)

    async def run_once(self) -> float:
        """Do what is due; a chore that fails keeps no other from its turn, unless it lost the
        connection: then all begin anew. Returns the seconds until something will be due.
        """
        await self._link.connection()
        now = time.monotonic()
        self._doubt(now)
        pause = AWAKE_SLEEP
        with self._surviving("promote"):
            pause = await self.promote() or self._catch_up()
        if self._rescue_wanted and now >= self._rescue_due and self._link.connected:
            await self._rescue()
        if now >= max(self._thorough_due, self._rescue_due) and self._link.connected:
            await self._rescue_thoroughly()
        if now >= self._prune_due and self._link.connected:
            await self._prune()
        longest = LONGEST_SLEEP if self._asleep() else AWAKE_SLEEP
        if self._rescue_wanted:
            longest = min(longest, max(0.0, self._rescue_due - time.monotonic()))
        return min(pause, _about(longest))

    async def promote(self) -> float:
        """Make due jobs ready. Returns the seconds until the next one is due; 0: one is now."""
        rows = await self._link.fetch(_PROMOTE.text, {"max_jobs": PROMOTE_BATCH})
        until: float | None = rows[0][0]
        if until is not None and until <= 0:
            return 0.0
        self._behind = 0.0
        return LONGEST_SLEEP if until is None else until

    def _catch_up(self) -> float:
        """More than one batch is due; or somebody has locked what is, hence a growing pause."""
        self._promoted()
        self._behind = min(max(0.001, self._behind * 1.5), LONGEST_BEHIND)
        return self._behind

    def _doubt(self, now: float) -> None:
        """After an outage, or a sleep of this process, a missing heartbeat does not mean that a
        worker is dead. Give all of them the time to beat again; but put it off once only.
        """
        cut_off = self._link.connections > self._connections
        slept = now - self._looked > 1.2 * LONGEST_SLEEP + self._rescue_every
        if (cut_off or slept) and not self._waits:
            self._waits = True
            self._rescue_due = now + 2 * self._rescue_every + LONGEST_PAUSE
        self._connections, self._looked = max(1, self._link.connections), now

    async def _rescue(self) -> None:
        """The jobs of dead workers. What goes wrong is tried again, but not at once; of a worker
        that is lost meanwhile the next heartbeat tells again.
        """
        self._rescue_due = time.monotonic() + _about(self._rescue_every)
        with self._surviving("rescue"):
            self._tell(await self._link.fetch(_RESCUE.text, {"thorough": False}))
            self._rescue_wanted = self._waits = False

    async def _rescue_thoroughly(self) -> None:
        """Now and then also the jobs whose worker has left no row at all."""
        self._thorough_due = time.monotonic() + _about(THOROUGH_EVERY)
        with self._surviving("thorough rescue"):
            parameters = {"thorough": True}
            self._tell(await self._link.fetch(_RESCUE.text, parameters, deadline=THOROUGH_DEADLINE))

    def _tell(self, rescued: list[tuple[Any, ...]]) -> None:
        for job_id, queue, task, worker_id, worker, state in rescued:
            lost = f"{worker} ({worker_id})" if worker else f"worker {worker_id}"
            self._emit(JobRescued(self._worker, job_id, task, queue, lost, state))

    async def _prune(self) -> None:
        self._prune_due = time.monotonic() + _about(PRUNE_EVERY)
        with self._surviving("partitions"):
            await self._link.fetch(_ADD.text)
        with self._surviving("retention"):
            await self._link.fetch(_DROP.text)
        with self._surviving("prune"):
            await self._link.fetch(_PRUNE.text, {"max_rows": PRUNE_BATCH})

    @contextmanager
    def _surviving(self, chore: str) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, TimeoutError) as error:
            self._emit(Trouble(self._worker, f"janitor ({chore})", describe(error).message))


def _about(seconds: float) -> float:
    """Spread, so that workers that started together do not come together."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
