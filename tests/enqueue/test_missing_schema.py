"""A database without pgqueue is told apart from all else that may be missing, with the cure."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from pgqueue import PgQueue, SchemaMissing, Task
from tests.enqueue.kinds import KINDS, Caller

Connection = psycopg.Connection[Any]
Send = Task[..., Any]


@pytest.fixture(params=KINDS)
async def stranger(request: pytest.FixtureRequest, empty_dsn: str) -> AsyncIterator[Caller]:
    """A connection of each kind to a database without pgqueue."""
    async with KINDS[request.param](empty_dsn) as opened:
        yield opened


@pytest.fixture
def lost(empty_dsn: str) -> PgQueue:
    """An application on a database without pgqueue."""
    found = PgQueue(empty_dsn)

    @found.task
    def send(text: str) -> None: ...

    return found


async def test_a_missing_schema_is_told_with_its_cure(stranger: Caller, lost: PgQueue) -> None:
    send: Send = lost.tasks["send"]
    connection = stranger.connection
    ways: list[Callable[[], Any]] = [
        lambda: send.enqueue(connection, "a"),
        lambda: lost.enqueue_many(connection, [send.job("a")]),
        lambda: lost.job(1).get(connection),
        lambda: lost.job(1).cancel(connection),
    ]
    if isinstance(connection, psycopg.Connection | psycopg.AsyncConnection):
        ways.append(lambda: lost.copy_many(connection, [send.job("a")]))
    for way in ways:
        with pytest.raises(SchemaMissing) as caught:
            await stranger.settle(way())
        assert str(caught.value) == (
            'the schema "pgqueue" is missing in this database, or older than this release. '
            "Run: pgqueue migrate"
        )
        assert isinstance(caught.value.__cause__, psycopg.Error | sa.exc.DBAPIError)
        await stranger.rollback()


async def test_a_missing_schema_without_a_connection_of_ones_own(lost: PgQueue) -> None:
    send: Send = lost.tasks["send"]
    ways: list[Callable[[], Any]] = [
        lambda: send.enqueue_now("a"),
        lambda: lost.job(1).get(),
        lambda: lost.job(1).wait(timeout=5),
    ]
    for way in ways:
        with pytest.raises(SchemaMissing, match="Run: pgqueue migrate"):
            await asyncio.to_thread(way)
    with pytest.raises(SchemaMissing, match="Run: pgqueue migrate"):
        await send.enqueue_now_async("a")
    with pytest.raises(SchemaMissing, match="Run: pgqueue migrate"):
        await lost.job(1).wait_async(timeout=5)
    with pytest.raises(SchemaMissing, match="Run: pgqueue migrate"):
        async with lost.worker():
            pass
    lost.close()
    await lost.close_async()


async def test_other_errors_of_the_driver_are_not_touched(
    caller: Caller, send: Send, connection: Connection
) -> None:
    role = f"pgqueue_stranger_{os.getpid()}"
    connection.execute(f"CREATE ROLE {role}")
    try:
        await caller.execute(f"SET ROLE {role}")
        with pytest.raises((psycopg.Error, sa.exc.DBAPIError), match="permission denied") as caught:
            await caller.settle(send.enqueue(caller.connection, "a"))
        assert not isinstance(caught.value, SchemaMissing)
        await caller.rollback()
    finally:
        connection.execute(f"DROP ROLE {role}")


async def test_an_error_of_the_owners_trigger_is_not_taken_for_a_missing_schema(
    connection: Connection, send: Send
) -> None:
    connection.execute("""
        CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN INSERT INTO audit_of_pgqueue_jobs VALUES (1); RETURN NEW; END$$;
        CREATE TRIGGER audit BEFORE INSERT ON pgqueue.job FOR EACH ROW EXECUTE FUNCTION audit();
    """)
    with pytest.raises(psycopg.errors.UndefinedTable, match="audit_of_pgqueue_jobs"):
        send.enqueue(connection, "a")
