"""What is no usable connection is refused with the cure; what the driver says is left as it is."""

import sqlite3
from collections.abc import Callable
from typing import Any

import asyncpg
import psycopg
import psycopg2
import psycopg_pool
import pytest
import sqlalchemy as sa
import sqlalchemy.orm as sa_orm
from psycopg.pq import TransactionStatus

from pgqueue import (
    InvalidArguments,
    InvalidOption,
    PgQueue,
    Task,
    UnsupportedConnection,
)
from tests.enqueue.kinds import KINDS, Caller, async_engine, engine
from tests.support import values

Connection = psycopg.Connection[Any]
Send = Task[..., Any]

ACCEPTED = (
    "Pass a psycopg Connection or AsyncConnection, "
    "or a SQLAlchemy Connection, Session, AsyncConnection or AsyncSession."
)


def refused(send: Send, connection: object) -> str:
    with pytest.raises(UnsupportedConnection) as caught:
        send.enqueue(connection, "a")
    with pytest.raises(UnsupportedConnection) as again:
        send.enqueue(connection, "a")
    assert str(caught.value) == str(again.value)
    return str(caught.value)


def test_none(send: Send) -> None:
    assert refused(send, None) == (
        f"cannot use builtins.NoneType as a connection. {ACCEPTED}"
        " None was passed: to enqueue without a transaction of yours, call enqueue_now()."
    )


@pytest.mark.parametrize("value", ["postgresql://localhost/x", 42, object()])
def test_what_has_nothing_to_do_with_a_database(send: Send, value: object) -> None:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    cure = " The connection comes first; without one of yours, call enqueue_now()."
    assert refused(send, value) == f"cannot use {kind} as a connection. {ACCEPTED}{cure}"


def test_connections_of_django(send: Send) -> None:
    from django.db import connection as proxy
    from django.db.backends.postgresql.base import DatabaseWrapper

    cure = " This is Django's: inside transaction.atomic(), pass connection.connection."
    for found in (proxy, DatabaseWrapper({})):
        assert refused(send, found).endswith(ACCEPTED + cure)


def test_cursors(send: Send, connection: Connection) -> None:
    cure = " This is a cursor: pass its connection."
    with connection.cursor() as cursor:
        assert (
            refused(send, cursor) == f"cannot use psycopg.Cursor as a connection. {ACCEPTED}{cure}"
        )
    assert connection.info.transaction_status == TransactionStatus.IDLE


def test_engines(send: Send, dsn: str) -> None:
    cure = " This is an engine: pass the connection of `with engine.begin() as connection:`."
    for found in (engine(dsn, "psycopg"), async_engine(dsn, "asyncpg")):
        assert refused(send, found).endswith(ACCEPTED + cure)


def test_session_makers(send: Send, dsn: str) -> None:
    cure = " This makes sessions: pass a session, as from `with maker.begin() as session:`."
    assert refused(send, sa_orm.sessionmaker(engine(dsn, "psycopg"))).endswith(ACCEPTED + cure)


async def test_pools(send: Send, dsn: str) -> None:
    cure = " This is a pool: pass a connection taken from it."
    sync_pool = psycopg_pool.ConnectionPool(dsn, open=False)
    async_pool = psycopg_pool.AsyncConnectionPool(dsn, open=False)
    for pool in (sync_pool, async_pool, asyncpg.create_pool(dsn)):
        assert refused(send, pool).endswith(ACCEPTED + cure)


async def test_raw_connections_of_other_drivers(send: Send, dsn: str) -> None:
    old = psycopg2.connect(dsn)
    assert "cannot use psycopg2.extensions.connection as a connection" in refused(send, old)
    old.close()
    raw = await asyncpg.connect(dsn)
    assert "cannot use asyncpg.connection.Connection as a connection" in refused(send, raw)
    await raw.close()
    lite = sqlite3.connect(":memory:")
    assert "cannot use sqlite3.Connection as a connection" in refused(send, lite)
    lite.close()


async def test_a_forgotten_await(send: Send, dsn: str) -> None:
    coroutine = psycopg.AsyncConnection.connect(dsn)
    assert refused(send, coroutine).endswith(ACCEPTED + " This is a coroutine: await it first.")
    coroutine.close()


@pytest.fixture
def sqlite() -> sa.Engine:
    return sa.create_engine("sqlite://")


@pytest.mark.parametrize("make", [sa.Engine.connect, sa_orm.Session], ids=["Connection", "Session"])
def test_another_database_is_refused_also_after_a_good_one(
    send: Send, dsn: str, sqlite: sa.Engine, make: Callable[[sa.Engine], Any]
) -> None:
    with make(engine(dsn, "psycopg")) as good:
        send.enqueue(good, "a")
    with make(sqlite) as bad:
        assert refused(send, bad) == (
            f"this {type(bad).__name__} talks to sqlite; "
            "jobs live in PostgreSQL, in the transaction that enqueues them."
        )
        assert not bad.in_transaction()
    sqlite.dispose()


def test_a_subclass_of_a_session_is_a_session(send: Send, dsn: str, connection: Connection) -> None:
    class OwnSession(sa_orm.Session):
        """As SQLModel and others have."""

    with OwnSession(engine(dsn, "psycopg")) as session, session.begin():
        send.enqueue(session, "a")
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [1]


# The driver's own errors


@pytest.mark.parametrize("kind", ["psycopg Connection", "psycopg AsyncConnection"])
async def test_a_closed_connection_of_psycopg(send: Send, dsn: str, kind: str) -> None:
    async with KINDS[kind](dsn) as caller:
        pass
    with pytest.raises(psycopg.OperationalError, match="the connection is closed"):
        await caller.settle(send.enqueue(caller.connection, "a"))


@pytest.mark.parametrize(
    "kind", ["SQLAlchemy Connection over psycopg2", "SQLAlchemy AsyncConnection over asyncpg"]
)
async def test_a_closed_connection_of_sqlalchemy(send: Send, dsn: str, kind: str) -> None:
    async with KINDS[kind](dsn) as caller:
        pass
    with pytest.raises(sa.exc.InvalidRequestError, match="closed"):
        await caller.settle(send.enqueue(caller.connection, "a"))


async def test_an_aborted_transaction(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    await caller.settle(send.enqueue(caller.connection, "before"))
    with pytest.raises(Exception, match="no_such_table"):
        await caller.execute("SELECT FROM no_such_table")
    with pytest.raises(
        (psycopg.Error, sa.exc.DBAPIError), match="transaction is aborted"
    ) as caught:
        await caller.settle(send.enqueue(caller.connection, "a"))
    cause = getattr(caught.value, "orig", caught.value)
    assert (getattr(cause, "sqlstate", None) or cause.pgcode) == "25P02"
    await caller.rollback()
    await caller.settle(send.enqueue(caller.connection, "after"))
    await caller.commit()
    assert values(connection, "SELECT args ->> 'text' FROM pgqueue.jobs") == ["after"]


@pytest.mark.parametrize("kind", ["psycopg Connection", "psycopg AsyncConnection"])
async def test_copy_in_an_aborted_transaction(
    app: PgQueue, send: Send, dsn: str, kind: str
) -> None:
    async with KINDS[kind](dsn) as caller:
        with pytest.raises(psycopg.errors.UndefinedTable):
            await caller.execute("SELECT FROM no_such_table")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            await caller.settle(app.copy_many(caller.connection, [send.job()]))


async def test_a_connection_that_the_server_ended(
    caller: Caller, send: Send, connection: Connection
) -> None:
    pid = await caller.execute("SELECT pg_backend_pid()")
    connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises((psycopg.OperationalError, sa.exc.DBAPIError)):
        await caller.settle(send.enqueue(caller.connection, "a"))


# Our own errors, before the connection is touched


async def test_bad_input_does_not_touch_the_transaction(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    def wrong() -> list[Callable[[], Any]]:
        return [
            lambda: send.enqueue(caller.connection, 1),
            lambda: send.enqueue(caller.connection, "a", nmber=1),
            lambda: send.enqueue(caller.connection, "NUL \x00"),
            lambda: send.enqueue(caller.connection, "lone \ud800"),
            lambda: send.enqueue(caller.connection, "x" * 2**20),
            lambda: send.using(priority=11).enqueue(caller.connection, "a"),
            lambda: app.enqueue_many(caller.connection, [send.job("a"), send.job("b", None)]),
        ]

    for call in wrong():
        with pytest.raises((InvalidArguments, InvalidOption)):
            call()
        assert not _in_transaction(caller)
    await caller.settle(send.enqueue(caller.connection, "good"))
    for call in wrong():
        with pytest.raises((InvalidArguments, InvalidOption)):
            call()
    await caller.commit()
    assert values(connection, "SELECT args ->> 'text' FROM pgqueue.jobs") == ["good"]


def _in_transaction(caller: Caller) -> bool:
    if hasattr(caller.connection, "info") and hasattr(caller.connection.info, "transaction_status"):
        return bool(caller.connection.info.transaction_status != TransactionStatus.IDLE)
    session = caller.connection
    registry = getattr(session, "registry", None)
    return bool((registry() if registry else session).in_transaction())
