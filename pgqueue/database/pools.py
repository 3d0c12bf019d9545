"""The application's own connections, for work outside of any transaction of its user."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from .link import connection_string

MOST_CONNECTIONS = 4


class Pools:
    """A pool for threads, and one for each event loop. They open when they are first used."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._lock = threading.Lock()
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        self._of_loops: dict[
            asyncio.AbstractEventLoop, AsyncConnectionPool[psycopg.AsyncConnection[Any]]
        ] = {}

    @property
    def opened(self) -> bool:
        return self._pool is not None or bool(self._of_loops)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    connection_string(self.dsn, "pgqueue app"),
                    min_size=0,
                    max_size=MOST_CONNECTIONS,
                    open=True,
                )
        with self._pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def connection_async(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        loop = asyncio.get_running_loop()
        pool = self._of_loops.get(loop)
        if pool is None:
            pool = self._of_loops[loop] = AsyncConnectionPool(
                connection_string(self.dsn, "pgqueue app"),
                min_size=0,
                max_size=MOST_CONNECTIONS,
                open=False,
            )
            await pool.open()
        async with pool.connection() as connection:
            yield connection

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    async def close_async(self) -> None:
        pool = self._of_loops.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.close()
