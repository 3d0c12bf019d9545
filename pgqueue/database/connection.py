"""The caller's connection, whatever it is: unwrapped once, used in its own transaction, never
committed.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg.rows import tuple_row

from ..errors import SchemaMissing, UnsupportedConnection
from .statement import Statement

if TYPE_CHECKING:
    import sqlalchemy as sa
    import sqlalchemy.ext.asyncio as sa_async
    import sqlalchemy.orm as sa_orm

    SyncConnection: TypeAlias = (
        psycopg.Connection[Any] | sa.Connection | sa_orm.Session | sa_orm.scoped_session[Any]
    )
    AsyncConnection: TypeAlias = (
        psycopg.AsyncConnection[Any]
        | sa_async.AsyncConnection
        | sa_async.AsyncSession
        | sa_async.async_scoped_session[Any]
    )

Parameters = Mapping[str, Any]
Rows = list[tuple[Any, ...]]
_Sync = Callable[[Any, Statement, Parameters], Rows]
_Async = Callable[[Any, Statement, Parameters], Awaitable[Rows]]

_MISSING = ("3F000", "42883", "42P01")
"""SQLSTATEs of a missing schema, function and table."""


def is_async(connection: object) -> bool:
    """Whether statements on this connection are awaited. Raises UnsupportedConnection."""
    return _kind(connection)[0]


def run(connection: SyncConnection, statement: Statement, parameters: Parameters) -> Rows:
    """Run a statement in the connection's transaction. Errors of the driver pass through."""
    try:
        rows: Rows = _kind(connection)[1](connection, statement, parameters)
    except Exception as error:
        _explain(error)
        raise
    return rows


async def run_async(
    connection: AsyncConnection, statement: Statement, parameters: Parameters
) -> Rows:
    """Run a statement in the connection's transaction. Errors of the driver pass through."""
    try:
        rows: Rows = await _kind(connection)[1](connection, statement, parameters)
    except Exception as error:
        _explain(error)
        raise
    return rows


def psycopg_connection(connection: object) -> Any:
    """The psycopg connection below, sync or async, for COPY. Raises UnsupportedConnection."""
    if isinstance(connection, psycopg.Connection | psycopg.AsyncConnection):
        return connection
    _kind(connection)
    raise UnsupportedConnection(
        f"COPY needs a psycopg connection, got {type(connection).__name__}. "
        "Use enqueue_many, which works with every connection."
    )


def _psycopg(
    connection: psycopg.Connection[Any], statement: Statement, parameters: Parameters
) -> Rows:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(statement.text, parameters).fetchall()


async def _psycopg_async(
    connection: psycopg.AsyncConnection[Any], statement: Statement, parameters: Parameters
) -> Rows:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement.text, parameters)
        return await cursor.fetchall()


def _sqlalchemy(connection: Any, statement: Statement, parameters: Parameters) -> Rows:
    return [tuple(row) for row in connection.execute(statement.clause, dict(parameters))]


async def _sqlalchemy_async(connection: Any, statement: Statement, parameters: Parameters) -> Rows:
    return [tuple(row) for row in await connection.execute(statement.clause, dict(parameters))]


_kinds: dict[type, tuple[bool, Any]] = {
    psycopg.Connection: (False, _psycopg),
    psycopg.AsyncConnection: (True, _psycopg_async),
}


def _kind(connection: object) -> tuple[bool, Any]:
    kind = _kinds.get(type(connection))
    if kind is None:
        kind = _kinds[type(connection)] = _classify(connection)
    return kind


def _classify(connection: object) -> tuple[bool, Any]:
    if isinstance(connection, psycopg.Connection):
        return False, _psycopg
    if isinstance(connection, psycopg.AsyncConnection):
        return True, _psycopg_async
    # Who passes an object of SQLAlchemy has imported it; who has not need not pay for it.
    if "sqlalchemy" in sys.modules:
        import sqlalchemy as sa
        import sqlalchemy.orm as sa_orm

        if isinstance(connection, sa.Connection | sa_orm.Session | sa_orm.scoped_session):
            _require_postgresql(connection)
            return False, _sqlalchemy
    if "sqlalchemy.ext.asyncio" in sys.modules:
        import sqlalchemy.ext.asyncio as sa_async

        kinds = (sa_async.AsyncConnection, sa_async.AsyncSession, sa_async.async_scoped_session)
        if isinstance(connection, kinds):
            _require_postgresql(connection)
            return True, _sqlalchemy_async
    raise UnsupportedConnection(
        f"cannot use {_name(connection)} as a connection. Pass a psycopg Connection or "
        "AsyncConnection, or a SQLAlchemy Connection, Session, AsyncConnection or AsyncSession."
        + _cure(connection)
    )


def _require_postgresql(connection: Any) -> None:
    bind = connection if hasattr(connection, "dialect") else connection.get_bind()
    if bind.dialect.name != "postgresql":
        raise UnsupportedConnection(
            f"this {type(connection).__name__} talks to {bind.dialect.name}; "
            "jobs live in PostgreSQL, in the transaction that enqueues them."
        )


def _name(connection: object) -> str:
    return f"{type(connection).__module__}.{type(connection).__qualname__}"


def _cure(connection: object) -> str:
    if connection is None:
        return " None was passed: to enqueue without a transaction of yours, call enqueue_now()."
    if hasattr(connection, "connection") and hasattr(connection, "fetchone"):
        return " This is a cursor: pass its connection."
    if hasattr(connection, "begin") and hasattr(connection, "connect"):
        return " This is an engine: pass the connection of `with engine.begin() as connection:`."
    if hasattr(connection, "getconn") or hasattr(connection, "acquire"):
        return " This is a pool: pass a connection taken from it."
    return ""


def _explain(error: Exception) -> None:
    """The driver's error stays what it is; a missing schema becomes one that names the cure."""
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state in _MISSING and "pgqueue" in str(cause):
        raise SchemaMissing(
            'the schema "pgqueue" is missing in this database, or older than this release. '
            "Run: pgqueue migrate"
        ) from error
