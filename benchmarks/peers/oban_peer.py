"""Oban for Python, tuned by its "Defining Queues": a higher limit for jobs that do not compute.

https://oban.pro/docs/py, "Queue Guidelines": "There isn't a limit to … how many jobs may execute
concurrently in each queue". The default is the limit of 10 that its producer and its first
examples have. The pool is its own, `Oban.create_pool`; `oban start` uses uvloop, so does this.
Bulk inserts and bulk acknowledgement are features of Oban Pro, which is not measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import psycopg
import uvloop
from oban import Oban, job
from oban.schema import install

from .peer import payload
from .starts import started

LIMIT = 500


@job(queue="default")
async def noop(to: str, subject: str) -> None:
    started(subject)


@dataclass
class Producer:
    oban: Oban
    connection: psycopg.AsyncConnection

    async def one(self, number: int) -> None:
        await self.oban.enqueue(noop.new(**payload(number)), conn=self.connection)

    async def many(self, numbers: Iterable[int]) -> None:
        jobs = [noop.new(**payload(number)) for number in numbers]
        async with self.connection.transaction():
            await self.oban.enqueue_many(jobs, conn=self.connection)


@dataclass
class Driver:
    dsn: str
    tuned: bool

    distribution: ClassVar[str] = "oban"
    joins: ClassVar[str] = "conn=…, the caller's psycopg or SQLAlchemy async connection"
    keeps: ClassVar[str] = "kept in the table, pruned after a day"
    most: ClassVar[tuple[int, int]] = (5_000, 20_000)
    all_finished: ClassVar[str] = (
        "SELECT NOT EXISTS (SELECT FROM oban_jobs WHERE state IN ('available', 'executing'))"
    )
    succeeded: ClassVar[str] = "SELECT count(*) FROM oban_jobs WHERE state = 'completed'"

    async def install(self) -> None:
        pool = await Oban.create_pool(self.dsn)
        await install(pool)
        await pool.close()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        pool = await Oban.create_pool(self.dsn)
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            yield Producer(Oban(pool=pool), connection)
        await pool.close()

    def work(self) -> None:
        uvloop.run(self._work())

    async def _work(self) -> None:
        pool = await Oban.create_pool(self.dsn)
        async with Oban(pool=pool, queues={"default": LIMIT if self.tuned else 10}):
            await asyncio.Event().wait()
