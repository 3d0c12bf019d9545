"""Operations and what they call, each guard with the damage that is done without it."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.errors import InvalidParameterValue
from psycopg.types.json import Jsonb

from tests.support import claim, claim_gated, enqueue, job, register, row, state, value

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
LATER = "SELECT pgqueue.reschedule(%s, now() + interval '1 hour')"


def ordered(connection: Connection, number: int = 3) -> int:
    ids = [enqueue(connection) for _ in range(number)]
    query = "SELECT pgqueue.order_operation('cancel', '', %s, 'somebody', NULL, %s, '{queued}')"
    return int(value(connection, query, Jsonb({}), ids))


def batch(connection: Connection, id: int, runner: int) -> list[int] | None:
    found = connection.execute("SELECT jobs FROM pgqueue.next_batch(%s, %s, 2)", [id, runner])
    got = found.fetchone()
    return got[0] if got else None


def stale(connection: Connection) -> None:
    connection.execute("UPDATE pgqueue.operation SET seen_at = now() - interval '1 minute'")


def test_only_one_takes_it(connection: Connection, guard: Guard) -> None:
    guarded = guard(
        "take_operation",
        "o.runner = 0 OR o.seen_at + interval '15 seconds' < clock_timestamp()",
        "true",
    )
    id = ordered(connection)
    assert value(connection, "SELECT pgqueue.take_operation(%s)", id) == 1
    assert (value(connection, "SELECT pgqueue.take_operation(%s)", id) is None) is guarded


def test_who_was_taken_for_dead_gets_no_more(connection: Connection, guard: Guard) -> None:
    guarded = guard("next_batch", " AND o.runner = next_batch.runner")
    id = ordered(connection)
    first = value(connection, "SELECT pgqueue.take_operation(%s)", id)
    stale(connection)
    second = value(connection, "SELECT pgqueue.take_operation(%s)", id)
    assert (batch(connection, id, first) is None) is guarded
    assert batch(connection, id, second) is not None


def test_who_was_taken_for_dead_notes_nothing(connection: Connection, guard: Guard) -> None:
    guarded = guard("note_batch", " AND o.runner = note_batch.runner")
    id = ordered(connection)
    first = value(connection, "SELECT pgqueue.take_operation(%s)", id)
    stale(connection)
    value(connection, "SELECT pgqueue.take_operation(%s)", id)
    noted = value(connection, "SELECT pgqueue.note_batch(%s, %s, 2, 2, 0)", id, first)
    assert (noted is None) is guarded
    assert (value(connection, "SELECT place FROM pgqueue.operation") == 0) is guarded


def test_a_stopped_one_goes_no_further(connection: Connection, guard: Guard) -> None:
    guarded = guard("next_batch", " AND o.state = 'running'")
    id = ordered(connection)
    runner = value(connection, "SELECT pgqueue.take_operation(%s)", id)
    assert value(connection, "SELECT pgqueue.stop_operation(%s)", id) is True
    assert value(connection, "SELECT pgqueue.stop_operation(%s)", id) is False
    assert (batch(connection, id, runner) is None) is guarded
    assert value(connection, "SELECT pgqueue.note_batch(%s, %s, 2, 2, 0)", id, runner) is None


def test_whoever_takes_it_waits_for_the_batch_under_way(
    connection: Connection, other: Connection
) -> None:
    id = ordered(connection)
    runner = value(connection, "SELECT pgqueue.take_operation(%s)", id)
    stale(connection)
    with other.transaction():
        assert batch(other, id, runner) is not None
        connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("SELECT pgqueue.take_operation(%s)", [id])
        other.execute("SELECT pgqueue.note_batch(%s, %s, 2, 2, 0)", [id, runner])
    assert value(connection, "SELECT pgqueue.take_operation(%s)", id) is None


def test_batches_go_through_all_jobs_once(connection: Connection) -> None:
    id = ordered(connection)
    runner = value(connection, "SELECT pgqueue.take_operation(%s)", id)
    jobs = value(connection, "SELECT jobs FROM pgqueue.operation")
    note = "SELECT pgqueue.note_batch(%s, %s, %s, 1, 0)"
    assert batch(connection, id, runner) == jobs[:2]
    assert value(connection, note, id, runner, 2) == "running"
    assert batch(connection, id, runner) == jobs[2:]
    assert value(connection, note, id, runner, 1) == "done"
    assert batch(connection, id, runner) is None
    shown = row(connection, "SELECT state, done, skipped, failed FROM pgqueue.operations")
    assert shown == {"state": "done", "done": 2, "skipped": 1, "failed": 0}


def test_old_ones_go(connection: Connection) -> None:
    id = ordered(connection)
    connection.execute("SELECT pgqueue.stop_operation(%s)", [id])
    connection.execute("UPDATE pgqueue.operation SET created_at = now() - interval '91 days'")
    ordered(connection)
    assert value(connection, "SELECT min(id) FROM pgqueue.operation") == id + 1


# What they call


def test_a_rescheduled_job_comes_out_of_line(connection: Connection) -> None:
    id = enqueue(connection)
    assert value(connection, LATER, id) is True
    assert state(connection, id) == "scheduled"
    assert claim(connection, register(connection)) == []
    with pytest.raises(InvalidParameterValue, match="to an instant to come"):
        connection.execute("SELECT pgqueue.reschedule(%s, now())", [id])


def test_a_running_job_is_neither_moved_nor_raised(connection: Connection, guard: Guard) -> None:
    guarded = guard("reschedule", " AND j.lease IS NULL")
    id = enqueue(connection)
    claim(connection, register(connection))
    if guarded:
        assert value(connection, LATER, id) is False
    else:  # a lease without a place
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(LATER, [id])
    assert state(connection, id) == "running"


def test_a_running_job_keeps_its_priority(connection: Connection, guard: Guard) -> None:
    guarded = guard("set_priority", " AND j.lease IS NULL")
    id = enqueue(connection)
    claim(connection, register(connection))
    assert value(connection, "SELECT pgqueue.set_priority(%s, 3)", id) is not guarded
    found = job(connection, id)
    assert found is not None
    assert (found["priority"] == 0) is guarded


def test_the_next_of_its_key_takes_the_turn_of_a_rescheduled_job(connection: Connection) -> None:
    order = {"flow": {"order_key": "k"}}
    first, second = enqueue(connection, **order), enqueue(connection, **order)
    worker = register(connection)
    assert value(connection, LATER, first) is True
    assert [found["id"] for found in claim_gated(connection, worker)] == [second]


def test_a_higher_priority_counts_at_the_gate(connection: Connection) -> None:
    flow = {"flow": {"fair_key": "tenant"}}
    _, second = enqueue(connection, **flow), enqueue(connection, **flow)
    assert value(connection, "SELECT pgqueue.set_priority(%s, 9)", second) is True
    assert [found["id"] for found in claim_gated(connection, register(connection), 1)] == [second]


def test_only_what_is_over_can_be_deleted(connection: Connection) -> None:
    id = enqueue(connection)
    delete = "SELECT pgqueue.delete_job(%s)"
    assert value(connection, delete, id) is False
    connection.execute("SELECT pgqueue.cancel(%s)", [id])
    assert value(connection, delete, id) is True
    assert value(connection, delete, id) is False
