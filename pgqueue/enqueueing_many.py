"""Many jobs at once, in one statement or by COPY."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, cast, overload

import psycopg

from . import bulk
from .database.connection import is_async, psycopg_connection
from .handle import Home, Job, enqueued
from .instruments import Instrument, Instrumented, Outgoing, enqueueing
from .job import NewJob

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection


class EnqueueingMany(Instrumented):
    """The part of an application that enqueues many jobs at once."""

    max_args_bytes: int

    @overload
    def enqueue_many(
        self, connection: AsyncConnection, jobs: Iterable[NewJob]
    ) -> Coroutine[Any, Any, list[Job[Any]]]: ...
    @overload
    def enqueue_many(
        self, connection: SyncConnection, jobs: Iterable[NewJob]
    ) -> list[Job[Any]]: ...
    def enqueue_many(self, connection: Any, jobs: Iterable[NewJob]) -> Any:
        """Enqueue jobs made by `task.job(...)` in your transaction, a thousand to a round trip.

        Raises DuplicateJob after all of them: those that no key keeps out are enqueued then.
        """
        jobs = list(jobs)
        if is_async(connection):
            return self._enqueue_many_async(connection, jobs)
        with enqueueing(self.instruments, _outgoing(jobs, self.instruments)) as outgoing:
            made = bulk.enqueue_many(connection, jobs, self.max_args_bytes, outgoing.carrier)
            outgoing.ids += (id for id, _ in made)
        return self._handles(made, jobs)

    async def _enqueue_many_async(self, connection: Any, jobs: list[NewJob]) -> list[Job[Any]]:
        with enqueueing(self.instruments, _outgoing(jobs, self.instruments)) as outgoing:
            limit, carrier = self.max_args_bytes, outgoing.carrier
            made = await bulk.enqueue_many_async(connection, jobs, limit, carrier)
            outgoing.ids += (id for id, _ in made)
        return self._handles(made, jobs)

    def _handles(self, made: list[bulk.Made], jobs: list[NewJob]) -> list[Job[Any]]:
        return [
            enqueued(cast(Home, self), id, created, job.task, job.options, beside=len(jobs) > 1)
            for (id, created), job in zip(made, jobs, strict=True)
        ]

    @overload
    def copy_many(
        self, connection: psycopg.AsyncConnection[Any], jobs: Iterable[NewJob]
    ) -> Coroutine[Any, Any, int]: ...
    @overload
    def copy_many(self, connection: psycopg.Connection[Any], jobs: Iterable[NewJob]) -> int: ...
    def copy_many(self, connection: Any, jobs: Iterable[NewJob]) -> Any:
        """COPY jobs in your transaction: the quickest way in for tens of thousands. Returns their
        number.
        """
        raw = psycopg_connection(connection)
        return bulk.copy_many_async(raw, jobs) if is_async(raw) else bulk.copy_many(raw, jobs)


def _outgoing(jobs: list[NewJob], instruments: tuple[Instrument, ...]) -> Outgoing:
    if not instruments:
        return Outgoing(None, None, len(jobs))
    tasks, queues = {job.task for job in jobs}, {job.options.queue for job in jobs}
    return Outgoing(
        tasks.pop() if len(tasks) == 1 else None,
        queues.pop() if len(queues) == 1 else None,
        len(jobs),
    )
