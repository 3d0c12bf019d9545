"""Chancy, tuned by the reference of its Queue: jobs on the event loop, and eager polling.

https://tkte.ch/chancy/ and the docstrings of Queue and AsyncExecutor: the default executor runs
jobs in processes, as many as there are cores, and the queue is polled every 5 seconds for as many.
`eager_polling` polls when a job ends, and AsyncExecutor, "useful for running large numbers of
IO-bound jobs", runs 100 at once. A worker writes down once a second what has finished.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import psycopg
from chancy import Chancy, Job, Queue, Worker
from psycopg.rows import DictRow, dict_row

from .peer import payload
from .starts import started

TUNED = Queue(
    "default",
    executor=Chancy.Executor.Async,
    eager_polling=True,
    polling_interval=1,
)


async def noop(to: str, subject: str) -> None:
    started(subject)


def job(number: int) -> Job:
    return Job.from_func(noop).with_kwargs(**payload(number))


@dataclass
class Producer:
    chancy: Chancy
    connection: psycopg.Connection[DictRow]

    async def one(self, number: int) -> None:
        await self.many([number])

    async def many(self, numbers: Iterable[int]) -> None:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            self.chancy.sync_push_many_ex(cursor, [job(number) for number in numbers])


@dataclass
class Driver:
    dsn: str
    tuned: bool

    distribution: ClassVar[str] = "chancy"
    joins: ClassVar[str] = "push_many_ex(cursor, …), a psycopg cursor of the caller's"
    keeps: ClassVar[str] = "kept in the table, pruned by a plugin"
    most: ClassVar[tuple[int, int]] = (4, 10_000)
    all_finished: ClassVar[str] = (
        "SELECT NOT EXISTS (SELECT FROM chancy_jobs WHERE state IN ('pending', 'running'))"
    )
    succeeded: ClassVar[str] = "SELECT count(*) FROM chancy_jobs WHERE state = 'succeeded'"

    async def install(self) -> None:
        async with self._chancy() as chancy:
            await chancy.migrate()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            yield Producer(self._chancy(), connection)

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        async with self._chancy() as chancy:
            if self.tuned:
                await chancy.declare(TUNED, upsert=True)
            async with Worker(chancy) as worker:
                await worker.wait_for_shutdown()

    def _chancy(self) -> Chancy:
        return Chancy(self.dsn, log=logging.getLogger("chancy"))
