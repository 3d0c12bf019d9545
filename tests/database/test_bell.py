"""The bell: whatever makes a job ready wakes the sleepers of its queue, and only those."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from tests.support import claim_one, enqueue, expire, heard, register, value

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]


def fall_asleep(connection: Connection, queue: str = "default") -> None:
    connection.execute("LISTEN pgqueue")
    connection.execute("SELECT pg_advisory_lock(7077, hashtext(%s))", [queue])


def test_the_note_names_the_queue(connection: Connection, other: Connection) -> None:
    fall_asleep(other, "mail")
    enqueue(connection, queue="mail")
    assert heard(other, "pgqueue") == [value(connection, "SELECT hashtext('mail')::text")]


def test_other_queues_sleep_on(connection: Connection, other: Connection) -> None:
    fall_asleep(other, "mail")
    enqueue(connection, queue="default")
    assert heard(other, "pgqueue") == []


def test_who_goes_to_sleep_while_a_job_is_not_committed_has_to_wait(
    connection: Connection, other: Connection
) -> None:
    with connection.transaction():
        enqueue(connection)
        asleep = "SELECT pg_try_advisory_lock(7077, hashtext('default'))"
        assert value(other, asleep) is False
    assert value(other, asleep) is True


def test_a_rollback_wakes_nobody(connection: Connection, other: Connection) -> None:
    fall_asleep(other)
    with connection.transaction(force_rollback=True):
        enqueue(connection)
    assert heard(other, "pgqueue") == []


def come_back_by_release(connection: Connection, id: int) -> None:
    lease = claim_one(connection)["lease"]
    connection.execute("SELECT pgqueue.release(ARRAY[%s], ARRAY[%s])", [id, lease])


def come_back_by_rescue(connection: Connection, id: int) -> None:
    worker = register(connection)
    claim_one(connection, worker)
    expire(connection, worker)
    connection.execute("SELECT pgqueue.rescue()")


def come_back_by_promote(connection: Connection, id: int) -> None:
    connection.execute("UPDATE pgqueue.job SET ready_xid = NULL, run_at = now()")
    connection.execute("SELECT pgqueue.promote()")


def come_back_by_retry(connection: Connection, id: int) -> None:
    connection.execute("SELECT pgqueue.cancel(%s)", [id])
    connection.execute("SELECT pgqueue.retry(%s)", [id])


def come_back_by_resume(connection: Connection, id: int) -> None:
    connection.execute("SELECT pgqueue.pause_queue('default')")
    connection.execute("SELECT pgqueue.resume_queue('default')")


@pytest.mark.parametrize(
    "come_back",
    [
        come_back_by_release,
        come_back_by_rescue,
        come_back_by_promote,
        come_back_by_retry,
        come_back_by_resume,
    ],
)
def test_what_comes_back_rings(connection: Connection, other: Connection, come_back: Any) -> None:
    id = enqueue(connection)
    fall_asleep(other)
    come_back(connection, id)
    assert len(heard(other, "pgqueue")) == 1


# The guard in it, with and without

ENQUEUE = "SELECT pgqueue.enqueue('t')"
MANY = """SELECT pgqueue.enqueue_many('[{"task": "t"}]')"""
IN_ENQUEUE = "NOT pg_try_advisory_xact_lock_shared(7077, hashtext(enqueue.queue))"
IN_RING = "NOT pg_try_advisory_xact_lock_shared(7077, hashtext(ring.queue))"
SLEEP = "SELECT pg_advisory_lock(7077, hashtext('default'))"
BELLS = [
    pytest.param("enqueue", IN_ENQUEUE, ENQUEUE, id="enqueue"),
    pytest.param("ring", IN_RING, MANY, id="ring"),
]


@pytest.mark.parametrize(("function", "bell", "statement"), BELLS)
def test_the_bell_is_silent_when_nobody_sleeps(
    connection: Connection,
    other: Connection,
    guard: Guard,
    function: str,
    bell: str,
    statement: str,
) -> None:
    guarded = guard(function, bell, "true")
    other.execute("LISTEN pgqueue")
    connection.execute(statement)
    assert len(heard(other, "pgqueue")) == (0 if guarded else 1)


@pytest.mark.parametrize(("function", "bell", "statement"), BELLS)
def test_the_bell_wakes_who_sleeps(
    connection: Connection,
    other: Connection,
    guard: Guard,
    function: str,
    bell: str,
    statement: str,
) -> None:
    guarded = guard(function, bell, "false")
    other.execute("LISTEN pgqueue")
    other.execute(SLEEP)
    connection.execute(statement)
    assert len(heard(other, "pgqueue")) == (1 if guarded else 0)


# Jobs that are due later

SECONDS = "SELECT pgqueue.enqueue('t', run_at => now() + interval '1 s')"
HOUR = "SELECT pgqueue.enqueue('t', run_at => now() + interval '1 hour')"
PAST = "SELECT pgqueue.enqueue('t', run_at => now() - interval '1 hour')"


def test_who_waits_for_due_jobs_hears_of_one_that_is_due_soon(
    connection: Connection, other: Connection, guard: Guard
) -> None:
    guarded = guard("ring", "THEN 'soon '", "THEN ''")
    fall_asleep(other)
    key = value(connection, "SELECT hashtext('default')::text")
    connection.execute(SECONDS)
    assert (heard(other, "pgqueue") == [f"soon {key}"]) is guarded
    connection.execute(PAST)
    assert heard(other, "pgqueue") == [key]


def test_nobody_hears_of_a_job_that_is_due_much_later(
    connection: Connection, other: Connection, guard: Guard
) -> None:
    guarded = guard("enqueue", "enqueue.run_at < clock_timestamp() + interval '10 seconds'", "true")
    fall_asleep(other)
    connection.execute(HOUR)
    assert len(heard(other, "pgqueue")) == (0 if guarded else 1)


SOON, LATER, READY = {"delay": "1 s"}, {"delay": "1 hour"}, {}


@pytest.mark.parametrize(
    ("jobs", "bells"),
    [
        pytest.param([READY, READY], ["{}"], id="ready"),
        pytest.param([SOON, SOON], ["soon {}"], id="soon"),
        pytest.param([LATER], [], id="later"),
        pytest.param([READY, SOON, LATER], ["{}", "soon {}"], id="both"),
        pytest.param([], [], id="none"),
    ],
)
@pytest.mark.parametrize("way", ["enqueue_many", "copy_many"])
def test_many_jobs_ring_once_for_each_reason(
    connection: Connection,
    other: Connection,
    dsn: str,
    way: str,
    jobs: list[dict[str, str]],
    bells: list[str],
) -> None:
    app = PgQueue(dsn)

    @app.task
    def t() -> None: ...

    fall_asleep(other)
    fall_asleep(other, "mail")
    seconds = {"1 s": 1, "1 hour": 3600}
    for queue in ("default", "mail"):
        made = [
            t.using(queue=queue, **{name: seconds[text] for name, text in options.items()}).job()
            for options in jobs
        ]
        getattr(app, way)(connection, made)
        key = value(connection, "SELECT hashtext(%s)::text", queue)
        assert sorted(heard(other, "pgqueue")) == sorted(bell.format(key) for bell in bells)
