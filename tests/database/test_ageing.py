"""Ageing: who waits rises, in the queues that say so, and not before its time."""

from typing import Any

import psycopg
import pytest

from tests.support import claim, enqueue, register, value, values, without

Connection = psycopg.Connection[Any]
AGE = "SELECT pgqueue.age()"
EPOCH = "SELECT epoch FROM pgqueue.queue WHERE name = 'default'"


@pytest.fixture(autouse=True)
def _ageing(connection: Connection) -> None:
    """Twenty hours to the top: one priority an hour."""
    connection.execute("SELECT pgqueue.set_ageing('default', '20 hours')")


def waited(connection: Connection, hours: float, **options: Any) -> int:
    """A job that has waited for so long, and six minutes."""
    id = enqueue(connection, **options)
    connection.execute(
        "UPDATE pgqueue.job SET run_at = run_at - make_interval(secs => 3600 * %(by)s), "
        "enqueued_at = enqueued_at - make_interval(secs => 3600 * %(by)s) WHERE id = %(id)s",
        {"by": hours + 0.1, "id": id},
    )
    return id


def priority(connection: Connection, id: int) -> int:
    found: int = value(connection, "SELECT priority FROM pgqueue.jobs WHERE id = %s", id)
    return found


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(0, -10), (0.8, -10), (1, -9), (12, 2), (18.8, 8), (20, 10), (9e5, 10)],
)
def test_a_job_has_at_least_the_priority_that_it_has_waited_for(
    connection: Connection, hours: float, expected: int
) -> None:
    id = waited(connection, hours, priority=-10)
    for above in range(-9, 11):
        enqueue(connection, priority=above)
    assert value(connection, AGE) == (expected > -10)
    assert priority(connection, id) == expected
    assert value(connection, AGE) == 0, "it has what is due to it"


def test_a_higher_priority_is_not_lowered(connection: Connection) -> None:
    id = waited(connection, 12, priority=5)
    enqueue(connection, priority=6)
    enqueue(connection)
    assert value(connection, AGE) == 0
    assert priority(connection, id) == 5


def test_the_time_counts_from_when_it_could_run(connection: Connection) -> None:
    """A job that was scheduled long ago, for a moment ago, has waited for a moment."""
    id = waited(connection, 3600, priority=-10)
    connection.execute("UPDATE pgqueue.job SET run_at = now() WHERE id = %s", [id])
    enqueue(connection)
    assert value(connection, AGE) == 0


def test_who_passes_nobody_stays_where_he_is(connection: Connection) -> None:
    """So a long line of one priority costs no writes."""
    ids = [waited(connection, 12) for _ in range(3)]
    assert value(connection, AGE) == 0
    enqueue(connection, priority=3)
    assert value(connection, AGE) == 0, "they may not pass yet"
    enqueue(connection, priority=1)
    assert value(connection, AGE) == 3
    assert [priority(connection, id) for id in ids] == [2, 2, 2]


def test_only_who_waits_for_a_worker_rises(connection: Connection) -> None:
    running = waited(connection, 60, priority=-10)
    claim(connection, register(connection))
    enqueue(connection, priority=10)
    elsewhere = waited(connection, 60, queue="other")
    enqueue(connection, queue="other", priority=10)
    gated = waited(connection, 60, flow={"order_key": "a"})
    scheduled = enqueue(connection, run_at="2100-01-01")
    connection.execute(
        "UPDATE pgqueue.job SET run_at = now() - interval '1 h' WHERE id = %s", [scheduled]
    )
    assert value(connection, AGE) == 0
    assert priority(connection, running) == -10
    assert {priority(connection, id) for id in (elsewhere, gated, scheduled)} == {0}


def test_nobody_rises_because_of_jobs_that_run(connection: Connection) -> None:
    enqueue(connection, priority=10)
    claim(connection, register(connection))
    waited(connection, 60)
    assert value(connection, AGE) == 0


def test_who_rose_keeps_his_turn_and_claimers_look_again(connection: Connection) -> None:
    old = waited(connection, 60, priority=-10)
    older = waited(connection, 3600)
    new = enqueue(connection, priority=10)
    before = value(connection, EPOCH)
    assert value(connection, AGE) == 2
    assert value(connection, EPOCH) > before
    claimed = claim(connection, register(connection), 3)
    assert [found["id"] for found in sorted(claimed, key=lambda c: c["ready_xid"])] == [
        old,
        older,
        new,
    ]


def test_without_a_new_epoch_claimers_would_miss_them(connection: Connection) -> None:
    without(connection, "age", "PERFORM pgqueue.look_again(lane);", "NULL;")
    waited(connection, 60)
    enqueue(connection, priority=10)
    before = value(connection, EPOCH)
    assert value(connection, AGE) == 1
    assert value(connection, EPOCH) == before


def test_nothing_found_makes_nobody_look_again(connection: Connection) -> None:
    waited(connection, 60)
    before = value(connection, EPOCH)
    connection.execute(AGE)
    assert value(connection, EPOCH) == before


def test_as_many_of_each_priority_as_were_asked_for(connection: Connection) -> None:
    ids = [waited(connection, 60, priority=low) for low in (-5, -5, -5, 0, 0, 0)]
    enqueue(connection, priority=10)
    assert value(connection, "SELECT pgqueue.age(2)") == 4
    assert [priority(connection, id) for id in ids] == [10, 10, -5, 10, 10, 0]
    assert value(connection, "SELECT pgqueue.age(2)") == 2


def test_locked_jobs_are_passed_over(connection: Connection, other: Connection) -> None:
    locked, free = waited(connection, 60), waited(connection, 60)
    enqueue(connection, priority=10)
    connection.execute("SET lock_timeout = '1s'")
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job WHERE id = %s FOR UPDATE", [locked])
        assert value(connection, AGE) == 1
        assert priority(connection, free) == 10
        without(connection, "raise_aged", " SKIP LOCKED")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute(AGE)
    assert value(connection, AGE) == 1


@pytest.mark.parametrize(
    ("guard", "make"),
    [
        ("free.lease IS NULL", lambda c: claim(c, register(c))),
        (
            "coalesce(free.ready_xid, 0) > 0",
            lambda c: c.execute("UPDATE pgqueue.job SET ready_xid = NULL"),
        ),
    ],
)
def test_who_was_taken_meanwhile_does_not_rise(
    connection: Connection, guard: str, make: Any
) -> None:
    """What age() saw may be over when the rows are locked."""
    id = waited(connection, 60)
    make(connection)
    taken = "SELECT pgqueue.raise_aged(ARRAY[%s::bigint], 20)"
    assert value(connection, taken, id) == 0
    without(connection, "raise_aged", guard, "true")
    assert value(connection, taken, id) == 1


def test_ageing_is_switched_off(connection: Connection) -> None:
    connection.execute("SELECT pgqueue.set_ageing('default', NULL)")
    waited(connection, 60)
    enqueue(connection, priority=10)
    assert value(connection, AGE) == 0


def test_a_queue_without_a_row_gets_one(connection: Connection) -> None:
    connection.execute("SELECT pgqueue.set_ageing('mail', '1 hour')")
    query = "SELECT ageing::text FROM pgqueue.queue_stats WHERE queue = 'mail'"
    assert values(connection, query) == ["01:00:00"]


@pytest.mark.parametrize("ageing", ["0.5 seconds", "-1 hour", "2000 years"])
def test_ageing_has_its_bounds(connection: Connection, ageing: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="ageing lies between 1 second and"):
        connection.execute("SELECT pgqueue.set_ageing('default', %s)", [ageing])
