"""The application's own connections, for work outside of any transaction of its user."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from weakref import WeakSet

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from .link import connection_string

MOST_CONNECTIONS = 4
PATIENCE = 10.0
"""Seconds to wait for a connection."""
UNPREPARED = {"prepare_threshold": None}
"""A pooler in transaction mode may run each transaction on another backend."""


class LoopPool(NamedTuple):
    """The pool of an event loop, and what it has opened."""

    pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]
    opened: WeakSet[psycopg.AsyncConnection[Any]]


class Pools:
    """A pool for threads, and one for each event loop. They open when they are first used.

    An event loop may end without a word, as `asyncio.run` does; the connections of ended loops are
    closed when another loop needs some.
    """

    def __init__(self, dsn: str, name: str = "pgqueue app") -> None:
        self.dsn = dsn
        self._name = name
        self._lock = threading.Lock()
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        self._of_loops: dict[asyncio.AbstractEventLoop, LoopPool] = {}

    @property
    def opened(self) -> bool:
        return self._pool is not None or bool(self._of_loops)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    connection_string(self.dsn, self._name),
                    min_size=0,
                    max_size=MOST_CONNECTIONS,
                    timeout=PATIENCE,
                    kwargs=UNPREPARED,
                    check=ConnectionPool.check_connection,
                    open=True,
                )
        try:
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout:
            psycopg.connect(connection_string(self.dsn, self._name)).close()
            raise

    @asynccontextmanager
    async def connection_async(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        loop = asyncio.get_running_loop()
        found = self._of_loops.get(loop)
        if found is None:
            self._close_ended_loops()
            found = self._of_loops[loop] = self._loop_pool()
            await found.pool.open()
        try:
            async with found.pool.connection() as connection:
                yield connection
        except PoolTimeout:
            # The pool knows only that it took too long: let the driver say why.
            conninfo = connection_string(self.dsn, self._name)
            await (await psycopg.AsyncConnection.connect(conninfo)).close()
            raise

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

        self._close_ended_loops()

    async def close_async(self) -> None:
        found = self._of_loops.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found.pool.close()

    def _loop_pool(self) -> LoopPool:
        opened: WeakSet[psycopg.AsyncConnection[Any]] = WeakSet()

        async def remember(connection: psycopg.AsyncConnection[Any]) -> None:
            opened.add(connection)

        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            connection_string(self.dsn, self._name),
            min_size=0,
            max_size=MOST_CONNECTIONS,
            timeout=PATIENCE,
            kwargs=UNPREPARED,
            check=AsyncConnectionPool.check_connection,
            open=False,
            configure=remember,
        )
        return LoopPool(pool, opened)

    def _close_ended_loops(self) -> None:
        """Nothing can be awaited there any more, so the sockets are closed below the pool."""
        with self._lock:
            for loop in [loop for loop in self._of_loops if loop.is_closed()]:
                for connection in self._of_loops.pop(loop).opened:
                    connection.pgconn.finish()
