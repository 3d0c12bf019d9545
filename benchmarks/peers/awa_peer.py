"""awa, tuned as in its own benchmarks: 256 workers for the queue.

https://github.com/hardbyte/awa/blob/main/docs/configuration.md: `max_workers` (50 by default) is
changed "always", claims of 512 are the default. Its release benchmark has 64, 128 and 256 workers.
PartitionedQueue, its first lever for hot queues, was not faster on two cores and is left out. So
are enqueue_shards: the first enqueuers of a fresh queue raced for its sequences, and failed. Bulk
jobs go by `enqueue_many_copy`, the documented way for volume, on a connection of its own. The
worker is compiled; the handler is Python.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import awa
import psycopg
from awa.bridge import insert_job_sync

from .peer import payload
from .starts import started

WORKERS = 256
FINISHED = """
    coalesce((SELECT sum(completed_count) FROM awa.receipt_completion_batches), 0)
  + coalesce((SELECT sum(pruned_completed_count) FROM awa.queue_terminal_rollups), 0)
  + (SELECT count(*) FROM awa.done_entries WHERE state = 'completed')
"""


@dataclass
class Noop:
    to: str
    subject: str


@dataclass
class Producer:
    client: awa.AsyncClient
    connection: psycopg.Connection

    async def one(self, number: int) -> None:
        insert_job_sync(self.connection, Noop(**payload(number)))

    async def many(self, numbers: Iterable[int]) -> None:
        await self.client.enqueue_many_copy([Noop(**payload(number)) for number in numbers])


@dataclass
class Driver:
    dsn: str
    tuned: bool

    distribution: ClassVar[str] = "awa-pg"
    joins: ClassVar[str] = "awa.bridge, on the caller's psycopg, asyncpg or SQLAlchemy connection"
    keeps: ClassVar[str] = "kept in a ring of tables, truncated as it turns"
    most: ClassVar[tuple[int, int]] = (10_000, 20_000)
    all_finished: ClassVar[str] = f"SELECT {FINISHED} >= %(jobs)s"
    succeeded: ClassVar[str] = f"SELECT {FINISHED}"

    async def install(self) -> None:
        """A fresh database changes to the current storage when its first worker starts."""
        client = self._client()
        await client.migrate()
        await self._start(client)
        await client.shutdown()
        await client.close()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Producer]:
        client = self._client()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            yield Producer(client, connection)
        await client.close()

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        await self._start(self._client())
        await asyncio.Event().wait()

    async def _start(self, client: awa.AsyncClient) -> None:
        @client.task(Noop)
        async def noop(job: awa.Job[Noop]) -> None:
            started(job.args.subject)

        await client.start([("default", WORKERS if self.tuned else 50)])

    def _client(self) -> awa.AsyncClient:
        return awa.AsyncClient(self.dsn, max_connections=20 if self.tuned else 10)
