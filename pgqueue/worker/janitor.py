"""Chores that any worker may do at any time, as often as it likes: promote, age, rescue, prune,
sample.

Nobody is elected for them: each is safe to run twice, and row locks keep workers out of each
other's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import psycopg

from ..database.link import LONGEST_PAUSE, Link
from ..database.statement import Statement
from ..events import JobRescued, Observer, Trouble
from ..limit_rule import LimitRule, declaration
from ..outcome import describe

_PROMOTE, _RESCUE = Statement("promote"), Statement("rescue")
_ADD, _DROP = Statement("add_partitions"), Statement("drop_partitions")
_PRUNE, _MEND, _AGE = Statement("prune"), Statement("mend_gate"), Statement("age")
_END_PAUSES, _SAMPLE = Statement("end_pauses"), Statement("sample")
_DECLARE, _DECLARE_TASKS = Statement("declare_limits"), Statement("declare_tasks")

DECLARE_DEADLINE = 3.0
"""Seconds for declaring limits; somebody may be changing one of them in an open transaction."""
DECLARE_AGAIN = 20.0
"""Seconds until limits are declared again, if it failed."""
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
SAMPLE_EVERY = 60.0
"""Seconds between looks how deep the queues are, of which one a minute counts for all workers."""
PRUNE_EVERY = 120.0
PRUNE_BATCH = 10_000
AGE_EVERY = 2.0
"""Seconds between looks for jobs that should rise, while any queue has ageing."""
AGE_BATCH = 1_000
AGE_SHARE = 0.02
"""Of its time, the janitor spends at most this share in looks that lead to nothing."""


class Janitor:
    """Makes due jobs ready, raises those that wait for long, takes jobs back from dead workers, and
    removes what nobody keeps.
    """

    def __init__(
        self,
        link: Link,
        worker: str,
        *,
        limits: Mapping[str, LimitRule],
        tasks: str,
        rescue_every: float,
        asleep: Callable[[], bool],
        promoted: Callable[[], None],
        rescued: Callable[[str, str, str], None],
        emit: Observer,
    ) -> None:
        self._link = link
        self._worker = worker
        self._limits = limits
        self._tasks: str | None = tasks
        self._rescue_every = rescue_every
        self._asleep = asleep
        self._promoted = promoted
        self._rescued = rescued
        self._emit = emit
        self._poked = asyncio.Event()
        self._behind = 0.0
        now = time.monotonic()
        self._looked = now
        self._connections = 1
        self._waits = False
        self._declare_due = now
        self._rescue_wanted = True
        self._rescue_due = now
        self._ageing = False
        self._age_due = now
        self._thorough_due = now + THOROUGH_EVERY * random.random()  # noqa: S311 - jitter
        self._prune_due = now + 5 * random.random()  # noqa: S311 - jitter
        self._sample_due = now + 5 * random.random()  # noqa: S311 - jitter

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
        if self._ageing and now >= self._age_due and self._link.connected:
            await self._age()
        undeclared = bool(self._limits) or self._tasks is not None
        if undeclared and now >= self._declare_due and self._link.connected:
            await self.declare()
        if self._rescue_wanted and now >= self._rescue_due and self._link.connected:
            await self._rescue()
        if now >= max(self._thorough_due, self._rescue_due) and self._link.connected:
            await self._rescue_thoroughly()
        if now >= self._prune_due and self._link.connected:
            await self._prune()
        if now >= self._sample_due and self._link.connected:
            await self._sample()
        longest = LONGEST_SLEEP if self._asleep() else AWAKE_SLEEP
        if self._rescue_wanted:
            longest = min(longest, max(0.0, self._rescue_due - time.monotonic()))
        if self._ageing:
            longest = min(longest, max(0.0, self._age_due - time.monotonic()))
        return min(pause, _about(longest))

    async def declare(self) -> None:
        """Set the limits that the application declares, and note its tasks, once: before the worker
        claims its first job, if it can be done at once.
        """
        self._declare_due = time.monotonic() + _about(DECLARE_AGAIN)
        if self._limits:
            with self._surviving("limits"):
                parameters = declaration(self._limits)
                await self._link.fetch(_DECLARE.text, parameters, deadline=DECLARE_DEADLINE)
                self._limits = {}
        if self._tasks is not None:
            with self._surviving("tasks"):
                tasks = {"declarations": self._tasks}
                await self._link.fetch(_DECLARE_TASKS.text, tasks, deadline=DECLARE_DEADLINE)
                self._tasks = None

    async def promote(self) -> float:
        """Make due jobs ready. Returns the seconds until the next one is due; 0: one is now."""
        rows = await self._link.fetch(_PROMOTE.text, {"max_jobs": PROMOTE_BATCH})
        until: float | None
        until, self._ageing = rows[0]
        if until is not None and until <= 0:
            return 0.0
        self._behind = 0.0
        return LONGEST_SLEEP if until is None else until

    async def _age(self) -> None:
        """Raise who has waited for long. Where many should rise, go on soon; but looks that take
        long, as over rows that nobody can remove, are made less often.
        """
        began = time.monotonic()
        raised = 0
        with self._surviving("ageing"):
            raised = (await self._link.fetch(_AGE.text, {"max_jobs": AGE_BATCH}))[0][0]
        took = time.monotonic() - began
        pause = took if raised >= AGE_BATCH else max(_about(AGE_EVERY), took / AGE_SHARE)
        self._age_due = time.monotonic() + pause

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
        """Now and then also the jobs whose worker has left no row at all, and what is amiss at the
        gate.
        """
        self._thorough_due = time.monotonic() + _about(THOROUGH_EVERY)
        with self._surviving("thorough rescue"):
            parameters = {"thorough": True}
            self._tell(await self._link.fetch(_RESCUE.text, parameters, deadline=THOROUGH_DEADLINE))
            await self._link.fetch(_MEND.text, deadline=THOROUGH_DEADLINE)

    def _tell(self, rescued: list[tuple[Any, ...]]) -> None:
        for job_id, queue, task, worker_id, worker, state in rescued:
            self._rescued(queue, task, state)
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
        with self._surviving("pauses"):
            await self._link.fetch(_END_PAUSES.text)

    async def _sample(self) -> None:
        """Whoever comes first in a minute looks, and the others find that it is done."""
        self._sample_due = time.monotonic() + _about(SAMPLE_EVERY)
        with self._surviving("sample"):
            await self._link.fetch(_SAMPLE.text)

    @contextmanager
    def _surviving(self, chore: str) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, TimeoutError) as error:
            self._emit(Trouble(self._worker, f"janitor ({chore})", describe(error).message))


def _about(seconds: float) -> float:
    """Spread, so that workers that started together do not come together."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
