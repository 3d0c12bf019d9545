"""The dashboard's own few connections. Every transaction is bounded; most can only read."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from starlette.exceptions import HTTPException

from ..audit import record_action_async
from ..database.pools import Pools
from ..database.schema import INSTALLED, VERSION, check_schema

Row = dict[str, Any]
LONGEST = "5s"
"""No query of a page takes longer: a page that would is too expensive to look at."""
MAY_ONLY_LOOK = "The dashboard's database role may only look."
CHECK_EVERY = 60.0
"""Seconds between looks at the schema's version and our rights."""
_BOUNDED = """
SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', '2s', true),
       set_config('TimeZone', 'UTC', true), set_config('transaction_read_only', %s, true)
"""
_WRITABLE = """
SELECT NOT pg_is_in_recovery() AND has_table_privilege('pgqueue.job', 'UPDATE')
       AND has_table_privilege('pgqueue.queue', 'UPDATE')
"""


class Session:
    """One transaction, as pages use it."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def rows(self, query: str, parameters: Any = None) -> list[Row]:
        """The rows of a query."""
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def row(self, query: str, parameters: Any = None) -> Row | None:
        """The first row, or None."""
        found = await self.rows(query, parameters)
        return found[0] if found else None

    async def value(self, query: str, parameters: Any = None) -> Any:
        """The only value of the only row."""
        (row,) = await self.rows(query, parameters)
        (found,) = row.values()
        return found

    async def record(
        self,
        actor: str,
        action: str,
        target: Mapping[str, Any],
        *,
        jobs: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Record an act in its own transaction; the action is the function that does it."""
        await record_action_async(
            *(self._connection, action, target),
            actor=actor,
            via="dashboard",
            jobs=jobs,
            reason=reason,
        )


class Database:
    """What pages ask, and what actions change."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._pools = Pools(dsn, "pgqueue dashboard")
        self._check_at = 0.0
        self.can_write = True
        """Whether the server and our role let us act, as far as it is known."""

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Session]:
        """A transaction that can only read. Raises SchemaError where the schema is not ours."""
        async with self._begin(read_only=True) as session:
            yield session

    @asynccontextmanager
    async def act(self) -> AsyncIterator[Session]:
        """A transaction that can change something: an action and its line in the audit."""
        async with self._begin(read_only=False) as session:
            if not self.can_write:
                raise HTTPException(403, MAY_ONLY_LOOK)
            yield session

    async def close(self) -> None:
        await self._pools.close_async()

    @asynccontextmanager
    async def _begin(self, *, read_only: bool) -> AsyncIterator[Session]:
        async with self._pools.connection_async() as connection, connection.transaction():
            flags: Sequence[str] = (LONGEST, "on" if read_only else "off")
            await connection.execute(_BOUNDED, flags)
            session = Session(connection)
            if time.monotonic() >= self._check_at:
                await _check(connection)
                self.can_write = bool(await session.value(_WRITABLE))
                self._check_at = time.monotonic() + CHECK_EVERY
            yield session


async def _check(connection: psycopg.AsyncConnection[Any]) -> None:
    rows = await (await connection.execute(INSTALLED)).fetchall()
    database, exists, ours = rows[0]
    version = None
    if ours:
        version = (await (await connection.execute(VERSION)).fetchall())[0][0]
    check_schema(database, exists, ours, version)
