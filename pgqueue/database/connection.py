"""The caller's connection, whatever it is: unwrapped once, used in its own transaction, never
committed.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

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

_MISSING = ("3F000", "42883", "42P01")
"""SQLSTATEs of a missing schema, function and table."""
_OURS = re.compile(r"(?<![\w.])pgqueue(?!\w)")
"""Our schema by name, in whatever language the server reports that something is missing."""


def is_async(connection: object) -> bool:
    """Whether statements on this connection are awaited. Raises UnsupportedConnection."""
    return _kind(connection).is_async


def run(connection: SyncConnection, statement: Statement, parameters: Parameters) -> Rows:
    """Run a statement in the connection's transaction. Errors of the driver pass through."""
    kind = _kind(connection)
    with explained():
        rows: Rows = kind.run(connection, statement, parameters)
    return rows


async def run_async(
    connection: AsyncConnection, statement: Statement, parameters: Parameters
) -> Rows:
    """Run a statement in the connection's transaction. Errors of the driver pass through."""
    kind = _kind(connection)
    with explained():
        rows: Rows = await kind.run(connection, statement, parameters)
    return rows


@contextmanager
def explained() -> Iterator[None]:
    """The driver's error stays what it is; a missing schema becomes one that names the cure."""
    try:
        yield
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
        # The first line is the error; what follows is context, where our functions are named too.
        if state in _MISSING and _OURS.search(str(cause).partition("\n")[0]):
            raise SchemaMissing(
                'the schema "pgqueue" is missing in this database, or older than this release. '
                "Run: pgqueue migrate"
            ) from error
        raise


def psycopg_connection(connection: object) -> Any:
    """The psycopg connection below, sync or async, for COPY. Raises UnsupportedConnection."""
    if isinstance(connection, psycopg.Connection | psycopg.AsyncConnection):
        return connection
    _kind(connection)
    raise UnsupportedConnection(
        f"COPY needs a psycopg connection, got {type(connection).__name__}. "
        "Use enqueue_many, which works with every connection."
    )


def tuple_cursor(connection: Any) -> Any:
    """A cursor that gives tuples and takes named parameters, whatever the owner's cursors do."""
    if issubclass(connection.cursor_factory, psycopg.RawCursor):
        return psycopg.Cursor(connection, row_factory=tuple_row)
    if issubclass(connection.cursor_factory, psycopg.AsyncRawCursor):
        return psycopg.AsyncCursor(connection, row_factory=tuple_row)
    return connection.cursor(row_factory=tuple_row)


def _psycopg(
    connection: psycopg.Connection[Any], statement: Statement, parameters: Parameters
) -> Rows:
    with tuple_cursor(connection) as cursor:
        rows: Rows = cursor.execute(statement.text, parameters).fetchall()
        return rows


async def _psycopg_async(
    connection: psycopg.AsyncConnection[Any], statement: Statement, parameters: Parameters
) -> Rows:
    async with tuple_cursor(connection) as cursor:
        await cursor.execute(statement.text, parameters)
        rows: Rows = await cursor.fetchall()
        return rows


def _sqlalchemy(connection: Any, statement: Statement, parameters: Parameters) -> Rows:
    return [tuple(row) for row in connection.execute(statement.clause, dict(parameters))]


async def _sqlalchemy_async(connection: Any, statement: Statement, parameters: Parameters) -> Rows:
    return [tuple(row) for row in await connection.execute(statement.clause, dict(parameters))]


class _Kind(NamedTuple):
    is_async: bool
    run: Any
    has_dialect: bool


_PSYCOPG = _Kind(False, _psycopg, False)
_PSYCOPG_ASYNC = _Kind(True, _psycopg_async, False)
_SQLALCHEMY = _Kind(False, _sqlalchemy, True)
_SQLALCHEMY_ASYNC = _Kind(True, _sqlalchemy_async, True)

_kinds: dict[type, _Kind] = {}


def _kind(connection: object) -> _Kind:
    kind = _kinds.get(type(connection))
    if kind is None:
        kind = _kinds[type(connection)] = _classify(connection)
    if kind.has_dialect:
        _require_postgresql(connection)
    return kind


def _classify(connection: object) -> _Kind:
    if isinstance(connection, psycopg.Connection):
        return _PSYCOPG
    if isinstance(connection, psycopg.AsyncConnection):
        return _PSYCOPG_ASYNC
    # Who passes an object of SQLAlchemy has imported it; who has not need not pay for it.
    if "sqlalchemy" in sys.modules:
        import sqlalchemy as sa
        import sqlalchemy.orm as sa_orm

        if isinstance(connection, sa.Connection | sa_orm.Session | sa_orm.scoped_session):
            return _SQLALCHEMY
    if "sqlalchemy.ext.asyncio" in sys.modules:
        import sqlalchemy.ext.asyncio as sa_async

        kinds = (sa_async.AsyncConnection, sa_async.AsyncSession, sa_async.async_scoped_session)
        if isinstance(connection, kinds):
            return _SQLALCHEMY_ASYNC
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
    # Its attributes would ask for settings, or connect: it is known by its module alone.
    if type(connection).__module__.startswith("django."):
        return " This is Django's: inside transaction.atomic(), pass connection.connection."
    if inspect.iscoroutine(connection):
        return " This is a coroutine: await it first."
    if hasattr(connection, "connection") and hasattr(connection, "fetchone"):
        return " This is a cursor: pass its connection."
    if hasattr(connection, "begin") and hasattr(connection, "connect"):
        return " This is an engine: pass the connection of `with engine.begin() as connection:`."
    if hasattr(connection, "begin") and callable(connection):
        return " This makes sessions: pass a session, as from `with maker.begin() as session:`."
    if hasattr(connection, "getconn") or hasattr(connection, "acquire"):
        return " This is a pool: pass a connection taken from it."
    return " The connection comes first; without one of yours, call enqueue_now()."
