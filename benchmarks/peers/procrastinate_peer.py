"""Procrastinate, tuned by what it says of concurrency and of the size of the pool.

https://procrastinate.readthedocs.io/en/stable/howto/production/concurrency.html shows
`run_worker(concurrency=30)`; https://procrastinate.readthedocs.io/en/stable/discussions.html says
that short jobs need as many connections in the pool as the concurrency, plus one. By default a
worker runs one job at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import procrastinate
import psycopg

from .peer import payload
from .starts import started

CONCURRENCY = 30

app = procrastinate.App(connector=procrastinate.PsycopgConnector())


@app.task(name="noop")
async def noop(to: str, subject: str) -> None:
    started(subject)


@dataclass
class Producer:
    app: procrastinate.App
    connection: psycopg.Connection

    async def one(self, number: int) -> None:
        self.app.configure_task("noop", connection=self.connection).defer(**payload(number))

    async def many(self, numbers: Iterable[int]) -> None:
        deferrer = self.app.configure_task("noop", connection=self.connection)
        deferrer.batch_defer(*map(payload, numbers))


@dataclass
class Driver:
    dsn: str
    tuned: bool

    distribution: ClassVar[str] = "procrastinate"
    joins: ClassVar[str] = "configure(connection=…), the caller's psycopg connection"
    keeps: ClassVar[str] = "kept in the table, for ever unless told otherwise"
    most: ClassVar[tuple[int, int]] = (1_000, 3_000)
    all_finished: ClassVar[str] = (
        "SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"
    )
    succeeded: ClassVar[str] = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"

    async def install(self) -> None:
        async with self._app().open_async() as opened:
            await opened.schema_manager.apply_schema_async()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        connector = procrastinate.SyncPsycopgConnector(conninfo=self.dsn)
        with (
            app.with_connector(connector).open() as opened,
            psycopg.connect(self.dsn, autocommit=True) as connection,
        ):
            yield Producer(opened, connection)

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        async with self._app().open_async() as opened:
            if self.tuned:
                await opened.run_worker_async(concurrency=CONCURRENCY)
            else:
                await opened.run_worker_async()

    def _app(self) -> procrastinate.App:
        pool = {"max_size": CONCURRENCY + 1} if self.tuned else {}
        return app.with_connector(procrastinate.PsycopgConnector(conninfo=self.dsn, **pool))
