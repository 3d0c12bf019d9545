"""A worker's connection, which comes back after it was lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import psycopg
from psycopg.rows import tuple_row
from psycopg.waiting import wait_async

from .dsn import normalise_dsn

CONNECT = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""A dead peer is noticed within about 15 seconds, where the DSN does not say otherwise."""

_GREETING = """
SELECT pg_backend_pid(), pg_is_in_recovery(), current_setting('default_transaction_isolation')
"""
_READ_COMMITTED = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"
"""What our statements are written for, whatever the role's default is."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
OPENING = 10.0
"""Seconds in which a server has to greet us and answer once."""
CANCELLING = 2.0
"""Seconds in which a statement has to end that took too long and was cancelled."""


T = TypeVar("T")


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection that is closed when who waits for it is cancelled.

    psycopg would ask the server to end the statement and wait for that, but the server may not hear
    us any more.
    """

    async def wait(self, gen: Any, interval: float = 0.1, *more: Any, **options: Any) -> Any:
        try:
            return await wait_async(gen, self.pgconn.socket, interval, *more, **options)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


class Link:
    """One autocommit connection under a name. Statements fail when it is lost; the next one
    reconnects.

    Behind a pooler (noticed because the backend is not the one that greeted us) statements are not
    prepared on the server, since the next transaction may run on another backend.
    """

    def __init__(
        self, dsn: str, name: str, *, report: Callable[[str, BaseException | None], None]
    ) -> None:
        self._conninfo = connection_string(dsn, name)
        self._name = name
        self._report = report
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._down = False
        self.pooled = False
        self.connections = 0
        """How often it was connected."""

    @property
    def connected(self) -> bool:
        """Whether the next statement needs no new connection."""
        return self._connection is not None and not self._connection.closed

    async def fetch(
        self, query: str, parameters: Any = None, *, binary: bool = False, deadline: float = 30.0
    ) -> list[tuple[Any, ...]]:
        """Run one statement as its own transaction, within `deadline` seconds."""
        async with self._lock:
            connection = await self._connect()
            try:
                fetching = _fetch(connection, query, parameters, binary)
                rows = await _within(deadline, connection, fetching)
            except BaseException as error:
                await self._after(error, connection)
                raise
            return rows

    async def connection(self) -> Connection:
        """The connection itself, connected, for what `fetch` cannot do."""
        async with self._lock:
            return await self._connect()

    async def drop(self) -> None:
        """Close the connection. The next statement opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        pause = FIRST_PAUSE
        while True:
            try:
                self._connection = await self._open()
            except (psycopg.Error, OSError) as error:
                self._tell(error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._tell(None)
                self.connections += 1
                return self._connection

    async def _open(self) -> Connection:
        connection = await Connection.connect(
            self._conninfo, autocommit=True, row_factory=tuple_row, prepare_threshold=None
        )
        try:
            greeting = _fetch(connection, _GREETING)
            ((pid, standby, level),) = await _within(OPENING, connection, greeting)
            if standby:
                raise psycopg.errors.ReadOnlySqlTransaction("the server is a read-only standby")
            self.pooled = pid != connection.info.backend_pid
            if level != "read committed" and not self.pooled:
                await connection.execute(_READ_COMMITTED)
            connection.prepare_threshold = None if self.pooled else 0
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _after(self, error: BaseException, connection: Connection) -> None:
        """A server that became read-only keeps its sockets open; only a new connection finds the
        primary.
        """
        lost = connection.closed or connection.broken
        if lost or isinstance(error, TimeoutError | psycopg.errors.ReadOnlySqlTransaction):
            await self.drop()
            if not isinstance(error, asyncio.CancelledError):
                self._tell(error)

    def _tell(self, error: BaseException | None) -> None:
        """Say that the link went down or came back, once for each change."""
        if self._down != (error is not None):
            self._down = error is not None
            self._report(self._name, error)


async def _fetch(
    connection: Connection,
    query: str,
    parameters: Any = None,
    binary: bool = False,
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(query, parameters, binary=binary)
    return await cursor.fetchall() if cursor.description else []


async def _within(deadline: float, connection: Connection, work: Coroutine[Any, Any, T]) -> T:
    """The result of what a connection does. Raises TimeoutError when it is late: the server is
    asked to end it, and if that does not help, the connection is closed without a word.
    """
    loop = asyncio.get_running_loop()
    asking: list[asyncio.Task[None]] = []
    late = loop.call_later(deadline, lambda: asking.append(loop.create_task(_cancel(connection))))
    try:
        async with asyncio.timeout(deadline + 2 * CANCELLING):
            return await work
    except (TimeoutError, psycopg.errors.QueryCanceled):
        if not asking:
            raise
        raise TimeoutError(f"the database did not answer within {deadline:g} s") from None
    finally:
        late.cancel()
        if asking:
            # The request may still be on its way, and must not meet the next statement.
            asking[0].cancel()
            connection.pgconn.finish()


async def _cancel(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error, OSError):
        await connection.cancel_safe(timeout=CANCELLING)


def connection_string(dsn: str, name: str) -> str:
    """The DSN with a name for pg_stat_activity, and with timeouts where it has none."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    given = conninfo_to_dict(normalise_dsn(dsn))
    return make_conninfo("", **{**CONNECT, **given, "application_name": name[:63]})
