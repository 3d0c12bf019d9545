"""PgQueuer, tuned by its "Performance Tuning": a larger batch_size for short jobs.

https://janbjorge.github.io/pgqueuer/guides/performance-tuning/ also says: a direct asyncpg
connection for the worker, `pgq autovac` after the installation (done here in both settings).
`pgq run` uses uvloop, so does this. Durability is its default, `durable`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from .peer import payload
from .starts import started

BATCH_SIZE = 100


def encoded(number: int) -> bytes:
    return json.dumps(payload(number)).encode()


@dataclass
class Producer:
    queries: Queries

    async def one(self, number: int) -> None:
        await self.queries.enqueue("noop", encoded(number))

    async def many(self, numbers: Iterable[int]) -> None:
        payloads: list[bytes | None] = [encoded(number) for number in numbers]
        size = len(payloads)
        await self.queries.enqueue(["noop"] * size, payloads, [0] * size)


@dataclass
class Driver:
    dsn: str
    tuned: bool

    distribution: ClassVar[str] = "pgqueuer"
    joins: ClassVar[str] = "on the connection of its driver (here asyncpg)"
    keeps: ClassVar[str] = "deleted; a row in its log, rolled up into statistics"
    most: ClassVar[tuple[int, int]] = (20_000, 50_000)
    all_finished: ClassVar[str] = "SELECT NOT EXISTS (SELECT FROM pgqueuer)"
    succeeded: ClassVar[str] = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"

    async def install(self) -> None:
        connection = await asyncpg.connect(self.dsn)
        queries = Queries(AsyncpgDriver(connection))
        await queries.install()
        await queries.optimize_autovacuum()
        await connection.close()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        connection = await asyncpg.connect(self.dsn)
        yield Producer(Queries(AsyncpgDriver(connection)))
        await connection.close()

    def work(self) -> None:
        uvloop.run(self._work())

    async def _work(self) -> None:
        manager = PgQueuer(AsyncpgDriver(await asyncpg.connect(self.dsn)))

        @manager.entrypoint("noop")
        async def noop(job: Job) -> None:
            arguments = json.loads(job.payload or b"{}")
            started(arguments["subject"])

        if self.tuned:
            await manager.run(batch_size=BATCH_SIZE)
        else:
            await manager.run()
