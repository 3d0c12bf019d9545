"""Makes the jobs of schedules at their times. Every worker does, and nobody is elected for it.

What a worker works out, `pgqueue.tick` only takes if no other one was quicker: the schedule must be
as it was read, and a tick is a row that can be there once. Times are told by the database's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, NoReturn

import psycopg

from ..application import Application
from ..catching_up import plan
from ..database.link import Link
from ..database.statement import Statement
from ..errors import InvalidOption
from ..events import Observer, ScheduleBroken, ScheduleTicked, Trouble
from ..outcome import describe
from ..schedule import Schedule
from ..schedule_handle import PUT, declared_job, schedule_parameters

_KEEP = Statement("keep_declared")
_DUE, _TICK, _BREAK = (Statement(name) for name in ("due_schedules", "tick", "break_schedule"))

LONGEST_SLEEP = 20.0
"""Seconds between looks while a note would tell of a schedule that was made or changed."""
UNTOLD_SLEEP = 5.0
"""The same while notes do not arrive."""
SHORTEST_SLEEP = timedelta(seconds=0.2)
"""The same when note comes after note, or when somebody holds what is due."""
DECLARE_AGAIN = 20.0
"""Seconds until schedules are declared again, if one was taken."""
AFTER_TROUBLE = timedelta(seconds=1)
SPREAD = 0.02
"""Workers come to a tick within so many seconds, so that the first one is alone with it."""

TAKEN = "PQ002"
"""SQLSTATE of a unique key that another job has, where that is to be an error."""
_HOPELESS = (InvalidOption, psycopg.DataError, psycopg.IntegrityError)
"""What would fail again and again."""


class Due(NamedTuple):
    """A row of due_schedules."""

    name: str
    task: str
    cron: str | None
    every: Any
    at: datetime | None
    timezone: str
    missed: Any
    most_missed: int
    since: datetime
    next_at: datetime | None
    created_at: datetime
    changed_at: datetime
    now: datetime

    def schedule(self) -> Schedule:
        """The value that says when. Raises InvalidOption for what SQL let through."""
        return Schedule(
            cron=self.cron,
            every=self.every,
            at=self.at,
            timezone="UTC" if self.cron is None else self.timezone,
            missed=self.missed,
            most_missed=self.most_missed if self.missed == "all" else 100,
        )


class Ticker:
    """Puts the schedules that the application declares, and ticks those whose task it knows."""

    def __init__(
        self,
        link: Link,
        worker: str,
        app: Application,
        *,
        told: Callable[[], bool],
        emit: Observer,
    ) -> None:
        self._link = link
        self._worker = worker
        self._app = app
        self._tasks = [name for task in app.tasks.values() for name in task.definition.names]
        self._told = told
        self._emit = emit
        self._poked = asyncio.Event()
        self._looked = 0.0
        self._declared = False
        self._declare_at = 0.0
        self._refused: dict[str, str] = {}

    def poke(self) -> None:
        """A schedule was made or changed: look again."""
        self._poked.set()

    async def run(self) -> NoReturn:
        while True:
            self._poked.clear()
            pause = await self.run_once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._poked.wait()
                    # Many may come at once, and one look is enough for all.
                    again = self._looked + SHORTEST_SLEEP.total_seconds()
                    await asyncio.sleep(again - time.monotonic())

    async def run_once(self) -> float:
        """Tick what is due. Returns the seconds until something will be."""
        pause = AFTER_TROUBLE.total_seconds()
        with self._surviving("declare"):
            if not self._declared and time.monotonic() >= self._declare_at:
                self._declared = await self.declare()
                self._declare_at = time.monotonic() + DECLARE_AGAIN
        with self._surviving("look"):
            pause = await self._tick_all()
        return pause + random.uniform(0.001, SPREAD)  # noqa: S311 - jitter

    async def declare(self) -> bool:
        """Put what the tasks declare, and delete what they declared once and do no more. Returns
        whether every schedule was free: one may be that of a release that is about to go.
        """
        refused: dict[str, str] = {}
        for name, schedule in self._app.schedules.items():
            job = declared_job(self._app.tasks[name])
            parameters = schedule_parameters(name, job, schedule, declared=True)
            parameters["max_args_bytes"] = self._app.max_args_bytes
            ((_, owner),) = await self._link.fetch(PUT.text, parameters)
            if owner is None:
                continue
            refused[name] = owner
            if self._refused.get(name) != owner:
                error = (
                    f'schedule "{name}" is taken: {owner}. It is put once that has changed. If two '
                    "applications have a task of this name, give one of the tasks another: name=."
                )
                self._emit(ScheduleBroken(self._worker, name, name, error))
        self._refused = refused
        queues = [self._app.find_task(task).options.queue for task in self._tasks]
        names = list(self._app.schedules)
        mine = {"tasks": self._tasks, "queues": queues, "names": names}
        await self._link.fetch(_KEEP.text, mine)
        return not refused

    async def _tick_all(self) -> float:
        """One look, and what follows, schedule by schedule: none keeps the others waiting."""
        rows = await self._link.fetch(_DUE.text, {"tasks": self._tasks}, binary=True)
        self._looked = time.monotonic()
        pause = LONGEST_SLEEP if self._told() else UNTOLD_SLEEP
        for due in (Due(*row) for row in rows):
            next_at = due.next_at
            if next_at is None or next_at <= due.now:
                next_at = due.now + AFTER_TROUBLE
                with self._surviving(f"schedule {due.name}"):
                    next_at = await self._tick(due)
            if next_at is not None:
                pause = min(pause, (next_at - due.now).total_seconds())
        return max(0.0, pause - (time.monotonic() - self._looked))

    async def _tick(self, due: Due) -> datetime | None:
        """Do what is due of one schedule. Returns when there is more to do for it."""
        try:
            todo = plan(
                due.schedule(),
                now=due.now,
                next_at=due.next_at,
                since=due.since,
                created_at=due.created_at,
            )
            parameters = {
                "name": due.name,
                "changed_at": due.changed_at,
                "expected": due.next_at,
                "ticks": list(todo.ticks),
                "next_at": todo.next_at,
                "dropped": todo.dropped,
            }
            rows = await self._link.fetch(_TICK.text, parameters, binary=True)
        except (InvalidOption, psycopg.DatabaseError) as error:
            if not isinstance(error, _HOPELESS) and getattr(error, "sqlstate", "") != TAKEN:
                raise
            await self._break(due, describe(error).message.partition("\n")[0])
            return None
        if not rows:  # another worker was quicker, or somebody holds the schedule
            return due.now + SHORTEST_SLEEP
        for tick, job_id, note in rows[:-1]:
            when = tick.astimezone(UTC).isoformat().replace("+00:00", "Z")
            self._emit(ScheduleTicked(self._worker, due.name, due.task, when, job_id, note))
        return todo.next_at

    async def _break(self, due: Due, error: str) -> None:
        """Out of the way of the others, until somebody mends it."""
        parameters = {"name": due.name, "changed_at": due.changed_at, "error": error}
        ((broken,),) = await self._link.fetch(_BREAK.text, parameters)
        if broken:
            self._emit(ScheduleBroken(self._worker, due.name, due.task, error))

    @contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, TimeoutError) as error:
            self._emit(Trouble(self._worker, f"ticker ({what})", describe(error).message))
