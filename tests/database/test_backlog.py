"""How much waits in a queue, and who is refused because of it."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support import claim, enqueue, register, value, without
from tests.support.scanning import cost

Connection = psycopg.Connection[Any]
BACKLOG = "SELECT pgqueue.backlog('default', %s)"
RUNNING = "SELECT pgqueue.running('default', %s)"
REFUSE = "SELECT pgqueue.refuse_above('default', %s)"


def test_jobs_that_wait_for_a_worker_or_at_the_gate_are_counted(connection: Connection) -> None:
    for _ in range(3):
        enqueue(connection)
    enqueue(connection, priority=10)
    enqueue(connection, run_at="2100-01-01")
    enqueue(connection, queue="other")
    enqueue(connection, flow={"order_key": "a"})
    assert value(connection, BACKLOG, 100) == 5
    assert value(connection, "SELECT pgqueue.backlog('other')") == 1
    assert value(connection, "SELECT pgqueue.backlog('never seen')") == 0
    claim(connection, register(connection), 2)
    assert value(connection, BACKLOG, 100) == 3
    assert value(connection, RUNNING, 100) == 2


@pytest.mark.parametrize(("most", "counted"), [(1, 1), (4, 4), (5, 5), (6, 5), (None, 5)])
def test_no_more_is_counted_than_asked_for(
    connection: Connection, most: int | None, counted: int
) -> None:
    for flow in (None, None, None, {"order_key": "a"}, {"order_key": "b"}):
        enqueue(connection, flow=flow)
    assert value(connection, BACKLOG, most) == counted


def test_running_jobs_are_counted_up_to_most(connection: Connection) -> None:
    for _ in range(5):
        enqueue(connection)
    claim(connection, register(connection), 3)
    assert [value(connection, RUNNING, most) for most in (2, 3, 4, None)] == [2, 3, 3, 3]


def test_a_transaction_sees_its_own_jobs_and_what_others_committed(
    connection: Connection, other: Connection
) -> None:
    with other.transaction():
        enqueue(other)
        assert value(other, BACKLOG, 10) == 1
        assert value(connection, BACKLOG, 10) == 0
    assert value(connection, BACKLOG, 10) == 1


def test_who_is_refused_is_told_what_to_do(connection: Connection) -> None:
    enqueue(connection)
    connection.execute(REFUSE, [2])
    enqueue(connection)
    with pytest.raises(psycopg.Error, match='queue "default" has a backlog of at least 2') as error:
        connection.execute(REFUSE, [2])
    assert error.value.sqlstate == "PQ003"
    assert error.value.diag.message_hint
    connection.execute(REFUSE, [3])


@pytest.mark.parametrize("depth", [0, -1, None])
def test_a_depth_that_lets_nothing_in(connection: Connection, depth: int | None) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="at least 1") as error:
        connection.execute(REFUSE, [depth])
    assert error.value.diag.message_hint


def test_a_full_queue_is_known_from_few_pages(
    connection: Connection, connect: Callable[..., Connection]
) -> None:
    """Also when dead rows that nobody can remove stand before the head of the line."""
    insert = "INSERT INTO pgqueue.job (task) SELECT 't' FROM generate_series(1, %s)"
    with connect(autocommit=False) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM pgqueue.job")
        connection.execute(insert, [20_000])
        connection.execute("DELETE FROM pgqueue.job")
        connection.execute(insert, [1_000])
        assert value(connection, BACKLOG, 100) == 100
        found = cost(connection, BACKLOG, 100)
        assert found.buffers < 150, found
        ascending = "ORDER BY ready.priority, ready.ready_xid, ready.id"
        descending = "ORDER BY ready.priority DESC, ready.ready_xid DESC, ready.id DESC"
        without(connection, "backlog", descending, ascending)
        assert cost(connection, BACKLOG, 100).buffers > 3 * found.buffers
