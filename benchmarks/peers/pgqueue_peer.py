"""pgqueue: its defaults are its advice, so tuned is the same as default."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import psycopg

from pgqueue import PgQueue
from pgqueue.migrations import upgrade

from .peer import payload
from .starts import started

app = PgQueue()


@app.task
async def noop(to: str, subject: str) -> None:
    started(subject)


@dataclass
class Producer:
    connection: psycopg.Connection

    async def one(self, number: int) -> None:
        noop.enqueue(self.connection, **payload(number))

    async def many(self, numbers: Iterable[int]) -> None:
        app.enqueue_many(self.connection, (noop.job(**payload(number)) for number in numbers))


@dataclass
class Driver:
    dsn: str
    tuned: bool

    distribution: ClassVar[str] = "pgqueue"
    joins: ClassVar[str] = "on the caller's connection (psycopg, SQLAlchemy)"
    keeps: ClassVar[str] = "moved to a history table, kept for days"
    most: ClassVar[tuple[int, int]] = (1_000_000, 1_000_000)
    all_finished: ClassVar[str] = "SELECT NOT EXISTS (SELECT FROM pgqueue.job)"
    succeeded: ClassVar[str] = "SELECT count(*) FROM pgqueue.job_done"

    async def install(self) -> None:
        upgrade(self.dsn)

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            yield Producer(connection)

    def work(self) -> None:
        app.configure(dsn=self.dsn)
        app.run_worker()
