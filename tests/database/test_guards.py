"""Each guard of the SQL functions: with it the race is harmless, without it the damage is done.

Every test runs twice: once as the function is, once with the guard taken out.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import LockNotAvailable, UniqueViolation
from psycopg.types.json import Jsonb

from tests.support import (
    claim,
    claim_one,
    complete,
    definition_of,
    enqueue,
    expire,
    job,
    register,
    rescue,
    row,
    rows,
    state,
    value,
)

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
LEASES = " AND j.lease = leases[width_bucket(j.id, ids)]"


@pytest.fixture
def stale(connection: Connection) -> dict[str, Any]:
    """The claim of a worker that was rescued, for a job that another worker runs by now."""
    enqueue(connection)
    worker = register(connection)
    claimed = claim_one(connection, worker)
    expire(connection, worker)
    rescue(connection)
    assert claim_one(connection)["id"] == claimed["id"]
    return claimed


def present(connection: Connection, query: str, claimed: dict[str, Any], *more: Any) -> Any:
    return value(connection, query, claimed["id"], claimed["lease"], *more)


# A worker that lost its lease


@pytest.mark.parametrize("keep", ["7 days", None])
def test_complete_wants_the_lease(
    connection: Connection, guard: Guard, stale: dict[str, Any], keep: str | None
) -> None:
    guarded = guard("complete", LEASES)
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = %s", [keep])
    assert complete(connection, stale) == (0 if guarded else 1)
    assert (state(connection, stale["id"]) == "running") is guarded


@pytest.mark.parametrize("delay", [None, timedelta(0)])
def test_fail_wants_the_lease(
    connection: Connection, guard: Guard, stale: dict[str, Any], delay: timedelta | None
) -> None:
    guarded = guard("fail", " AND j.lease = fail.lease")
    failed = "SELECT pgqueue.fail(%s, %s, %s, 'E', 'm')"
    assert (present(connection, failed, stale, delay) is None) is guarded
    assert (state(connection, stale["id"]) == "running") is guarded


def test_snooze_wants_the_lease(
    connection: Connection, guard: Guard, stale: dict[str, Any]
) -> None:
    guarded = guard("snooze", " AND j.lease = snooze.lease")
    snoozed = "SELECT pgqueue.snooze(%s, %s, '1 hour')"
    assert (present(connection, snoozed, stale) is None) is guarded
    assert (state(connection, stale["id"]) == "running") is guarded


def test_cancel_running_wants_the_lease(
    connection: Connection, guard: Guard, stale: dict[str, Any]
) -> None:
    guarded = guard("bury", " AND j.lease IS NOT DISTINCT FROM bury.held_lease")
    cancelled = "SELECT pgqueue.cancel_running(%s, %s)"
    assert (present(connection, cancelled, stale) is None) is guarded
    assert (state(connection, stale["id"]) == "running") is guarded


def test_release_wants_the_leases(
    connection: Connection, guard: Guard, stale: dict[str, Any]
) -> None:
    guarded = guard("release", LEASES)
    released = "SELECT pgqueue.release(ARRAY[%s::bigint], ARRAY[%s::bigint])"
    assert present(connection, released, stale) == (0 if guarded else 1)
    assert (state(connection, stale["id"]) == "running") is guarded


def test_report_progress_wants_the_lease(
    connection: Connection, guard: Guard, stale: dict[str, Any]
) -> None:
    guarded = guard("report_progress", " AND j.lease = report_progress.lease")
    reported = "SELECT pgqueue.report_progress(%s, %s, %s)"
    assert present(connection, reported, stale, Jsonb({"by": "zombie"})) is not guarded
    assert (value(connection, "SELECT progress FROM pgqueue.jobs") is None) is guarded


def test_check_leases_wants_the_leases(
    connection: Connection, guard: Guard, stale: dict[str, Any]
) -> None:
    guarded = guard("check_leases", " AND job.lease = held.lease")
    check = "SELECT verdict FROM pgqueue.check_leases(ARRAY[%s::bigint], ARRAY[%s::bigint])"
    found = rows(connection, check, stale["id"], stale["lease"])
    assert found == ([{"verdict": "lost"}] if guarded else [])


# Two claimers


def test_claim_skips_what_is_locked(
    connection: Connection, other: Connection, guard: Guard
) -> None:
    guarded = guard("claim", "FOR UPDATE SKIP LOCKED", "FOR UPDATE")
    ids = [enqueue(connection) for _ in range(2)]
    first, second = register(connection), register(connection)
    other.execute("SET lock_timeout = '100ms'")
    with connection.transaction():
        assert claim_one(connection, first)["id"] == ids[0]
        if guarded:
            assert claim_one(other, second)["id"] == ids[1]
        else:
            with pytest.raises(LockNotAvailable):
                claim(other, second)


def test_claim_wants_no_lease_on_the_job(connection: Connection, guard: Guard) -> None:
    guarded = guard("claim", "AND c.lease IS NULL")
    enqueue(connection)
    first, second = register(connection), register(connection)
    assert len(claim(connection, first)) == 1
    assert len(claim(connection, second)) == (0 if guarded else 1)


def test_claim_wants_a_registered_worker(connection: Connection, guard: Guard) -> None:
    guarded = guard(
        "claim",
        "IF known IS NULL",
        "IF false",
    )
    enqueue(connection)
    if guarded:
        with pytest.raises(psycopg.Error, match="worker 77 is not registered"):
            claim(connection, 77)
    else:
        assert len(claim(connection, 77)) == 1


def test_claim_wants_an_unpaused_queue(connection: Connection, guard: Guard) -> None:
    guarded = guard("claim", "paused IS NOT NULL", "false")
    enqueue(connection)
    worker = register(connection)
    connection.execute("SELECT pgqueue.pause_queue('default')")
    assert len(claim(connection, worker)) == (0 if guarded else 1)


# Rescue


def test_rescue_wants_the_heartbeat_to_have_stopped(connection: Connection, guard: Guard) -> None:
    guarded = guard("rescue", "s.seen_at + s.lease_for < now()", "true")
    id = enqueue(connection)
    claimed = claim_one(connection)
    assert len(rescue(connection)) == (0 if guarded else 1)
    assert (state(connection, id) == "running") is guarded
    assert complete(connection, claimed) == (1 if guarded else 0)


def test_a_thorough_rescue_wants_the_worker_to_be_gone(
    connection: Connection, guard: Guard
) -> None:
    gone = "NOT EXISTS (SELECT FROM pgqueue.worker w WHERE w.id = j.worker_id)"
    guarded = guard("rescue", gone, "true")
    enqueue(connection)
    claim_one(connection)
    assert len(rescue(connection, thorough=True)) == (0 if guarded else 1)


# Jobs that are not waiting


@pytest.mark.parametrize("running", [False, True])
def test_retry_wants_a_job_that_waits(connection: Connection, guard: Guard, running: bool) -> None:
    guarded = guard("retry", " AND coalesce(j.ready_xid, 0) = 0")
    id = enqueue(connection)
    if running:
        claim_one(connection)
    before = row(connection, "SELECT * FROM pgqueue.job")
    assert value(connection, "SELECT pgqueue.retry(%s)", id) is not guarded
    assert (row(connection, "SELECT * FROM pgqueue.job") == before) is guarded


def test_promote_wants_jobs_that_wait(connection: Connection, guard: Guard) -> None:
    guarded = guard("promote", "due.ready_xid IS NULL AND ")
    enqueue(connection)
    before = value(connection, "SELECT ready_xid FROM pgqueue.job")
    connection.execute("SELECT pgqueue.promote()")
    assert (value(connection, "SELECT ready_xid FROM pgqueue.job") == before) is guarded


def test_cancel_only_asks_a_running_job(connection: Connection, guard: Guard) -> None:
    guarded = guard("cancel", "IF NOT running THEN", "IF true THEN")
    id = enqueue(connection)
    claim_one(connection)
    cancelled = value(connection, "SELECT pgqueue.cancel(%s)", id)
    assert cancelled == ("cancelling" if guarded else "cancelled")
    found = job(connection, id)
    assert found is not None
    assert (found["cancel_requested_at"] is not None) is guarded


# Rows that are there already


def test_register_accepts_a_queue_that_is_there(connection: Connection, guard: Guard) -> None:
    if guard("register", "ON CONFLICT DO NOTHING"):
        assert register(connection) != register(connection)
    else:
        with pytest.raises(UniqueViolation):
            register(connection)


def test_pause_accepts_a_queue_that_is_there(connection: Connection, guard: Guard) -> None:
    definition = definition_of(connection, "pause_queue")
    clause = definition[definition.index("ON CONFLICT") : definition.rindex(";")]
    pause = "SELECT pgqueue.pause_queue('default', 'flood')"
    if guard("pause_queue", clause):
        connection.execute(pause)
        assert value(connection, "SELECT pause_reason FROM pgqueue.queue") == "flood"
    else:
        with pytest.raises(UniqueViolation):
            connection.execute(pause)
