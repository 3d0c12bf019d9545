"""On every kind of connection, a job exists if and only if the transaction commits."""

from contextlib import suppress
from typing import Any

import psycopg
import pytest

from pgqueue import Task
from tests.enqueue.kinds import Caller
from tests.support import state, values

Connection = psycopg.Connection[Any]
Send = Task[..., Any]


class Undo(Exception):
    """Raised to roll back a savepoint."""


def texts(connection: Connection) -> list[str]:
    """What the jobs that this connection sees were to send, in order."""
    return values(connection, "SELECT args ->> 'text' FROM pgqueue.jobs ORDER BY id")


async def test_commit_makes_it_visible_and_nothing_before(
    caller: Caller, send: Send, connection: Connection
) -> None:
    job = await caller.settle(send.enqueue(caller.connection, "a"))
    assert texts(connection) == []
    assert await caller.execute("SELECT count(*) FROM pgqueue.jobs") == 1
    await caller.commit()
    assert state(connection, job.id) == "queued"
    assert (job.task, job.queue) == ("send", "default")


async def test_rollback_leaves_none(caller: Caller, send: Send, connection: Connection) -> None:
    await caller.settle(send.enqueue(caller.connection, "a"))
    await caller.rollback()
    assert texts(connection) == []
    await caller.settle(send.enqueue(caller.connection, "b"))
    await caller.commit()
    assert texts(connection) == ["b"]


async def test_it_shares_the_fate_of_the_owners_rows(
    caller: Caller, send: Send, connection: Connection
) -> None:
    connection.execute("CREATE TABLE note (text text)")
    for text, end in [("kept", caller.commit), ("lost", caller.rollback)]:
        await caller.execute(f"INSERT INTO note VALUES ('{text}')")
        await caller.settle(send.enqueue(caller.connection, text))
        await end()
    assert values(connection, "SELECT text FROM note") == texts(connection) == ["kept"]


async def test_savepoint_rollback_removes_what_came_after_it(
    caller: Caller, send: Send, connection: Connection
) -> None:
    await caller.settle(send.enqueue(caller.connection, "before"))
    with suppress(Undo):
        async with caller.savepoint():
            await caller.settle(send.enqueue(caller.connection, "inside"))
            raise Undo
    await caller.settle(send.enqueue(caller.connection, "after"))
    await caller.commit()
    assert texts(connection) == ["before", "after"]


async def test_nested_savepoints(caller: Caller, send: Send, connection: Connection) -> None:
    await caller.settle(send.enqueue(caller.connection, "0"))
    async with caller.savepoint():
        await caller.settle(send.enqueue(caller.connection, "1 released"))
        async with caller.savepoint():
            await caller.settle(send.enqueue(caller.connection, "2 released"))
        with suppress(Undo):
            async with caller.savepoint():
                async with caller.savepoint():
                    await caller.settle(send.enqueue(caller.connection, "3 released in vain"))
                raise Undo
    await caller.commit()
    assert texts(connection) == ["0", "1 released", "2 released"]


async def test_the_owners_error_does_not_hurt_the_savepoint_around_it(
    caller: Caller, send: Send, connection: Connection
) -> None:
    await caller.settle(send.enqueue(caller.connection, "before"))

    async def slip() -> None:
        async with caller.savepoint():
            await caller.settle(send.enqueue(caller.connection, "inside"))
            await caller.execute("SELECT FROM no_such_table")

    with pytest.raises(Exception, match="no_such_table"):
        await slip()
    await caller.commit()
    assert texts(connection) == ["before"]


async def test_the_connection_stays_usable(
    caller: Caller, send: Send, connection: Connection
) -> None:
    for number in range(7):  # psycopg prepares a statement at its fifth use
        await caller.settle(send.enqueue(caller.connection, str(number)))
        assert await caller.execute("SELECT 1") == 1
        await (caller.rollback() if number % 3 == 2 else caller.commit())
    assert texts(connection) == ["0", "1", "3", "4", "6"]


async def test_a_handle_works_in_the_same_transaction(
    caller: Caller, send: Send, connection: Connection
) -> None:
    job = await caller.settle(send.enqueue(caller.connection, "a"))
    assert await caller.settle(job.state(caller.connection)) == "queued"
    assert (await caller.settle(job.get(caller.connection))).args == '{"text": "a"}'
    assert await caller.settle(job.cancel(caller.connection, reason="a slip")) is True
    assert await caller.settle(job.state(caller.connection)) == "cancelled"
    assert await caller.settle(job.retry(caller.connection)) is True
    await caller.commit()
    assert state(connection, job.id) == "queued"
