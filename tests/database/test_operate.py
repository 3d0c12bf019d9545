"""What people do to jobs and queues: cancel, retry, pause, resume, wait; and what tasks report."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import (
    claim,
    claim_one,
    complete,
    enqueue,
    expire,
    job,
    register,
    rescue,
    row,
    rows,
    state,
    value,
    wait_until_blocked,
)

Connection = psycopg.Connection[Any]
CANCEL = "SELECT pgqueue.cancel(%s)"
RETRY = "SELECT pgqueue.retry(%s)"
AWAIT = "SELECT pgqueue.await_job(%s)"
BURY = "SELECT pgqueue.fail(%s, %s, NULL, 'ValueError', 'no such user')"


def make_dead(connection: Connection, **options: Any) -> int:
    id = enqueue(connection, **options)
    assert value(connection, BURY, id, claim_one(connection)["lease"]) == "dead"
    return id


# cancel


@pytest.mark.parametrize("run_at", [None, "2100-01-01"])
def test_a_waiting_job_is_cancelled_at_once(connection: Connection, run_at: str | None) -> None:
    id = enqueue(connection, run_at=run_at)
    assert value(connection, "SELECT pgqueue.cancel(%s, 'not needed')", id) == "cancelled"
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["reason"], found["attempt"]) == ("cancelled", "not needed", 0)
    assert found["finished_at"] is not None


def test_a_running_job_is_asked(connection: Connection) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    assert value(connection, "SELECT pgqueue.cancel(%s, 'not needed')", id) == "cancelling"
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["reason"]) == ("running", "not needed")
    assert found["cancel_requested_at"] is not None
    assert complete(connection, claimed) == 1
    assert state(connection, id) == "succeeded"


def test_asking_again_keeps_the_first_instant(connection: Connection) -> None:
    id = enqueue(connection)
    claim_one(connection)
    asked = "SELECT cancel_requested_at, cancel_reason FROM pgqueue.job"
    connection.execute("SELECT pgqueue.cancel(%s, 'first')", [id])
    first = row(connection, asked)
    assert value(connection, CANCEL, id) == "cancelling"
    assert row(connection, asked) == first


@pytest.mark.parametrize("ended", ["succeeded", "dead", "unknown"])
def test_there_is_nothing_to_cancel(connection: Connection, ended: str) -> None:
    if ended == "dead":
        id = make_dead(connection)
    else:
        id = enqueue(connection)
        complete(connection, claim_one(connection))
        id += 100 * (ended == "unknown")
    assert value(connection, CANCEL, id) is None


def test_cancelling_a_job_while_it_is_claimed(connection: Connection, other: Connection) -> None:
    id = enqueue(connection)
    worker = register(connection)
    with ThreadPoolExecutor(1) as background, connection.transaction():
        claim_one(connection, worker)
        answer = background.submit(value, other, CANCEL, id)
        wait_until_blocked(connection, other.info.backend_pid)
    assert answer.result() == "cancelling"


# retry


def test_a_dead_job_runs_again_under_its_id(connection: Connection) -> None:
    options = {"args": {"n": 1}, "priority": 3, "max_attempts": 2, "tags": ["a"], "meta": {"m": 1}}
    id = make_dead(connection, **options, timeout="1 min")
    died = job(connection, id)
    assert value(connection, RETRY, id) is True
    found = job(connection, id)
    assert found is not None
    assert died is not None
    kept = (*options, "timeout", "enqueued_at", "queue", "task")
    assert {name: found[name] for name in kept} == {name: died[name] for name in kept}
    assert (found["state"], found["attempt"], found["reason"]) == ("queued", 0, None)
    assert len(rows(connection, "SELECT FROM pgqueue.failure")) == 1
    assert claim_one(connection)["attempt"] == 1


def test_a_cancelled_job_runs_again(connection: Connection) -> None:
    id = enqueue(connection)
    value(connection, CANCEL, id)
    assert value(connection, RETRY, id) is True
    assert claim_one(connection)["id"] == id


def test_a_scheduled_job_runs_now(connection: Connection) -> None:
    id = enqueue(connection, run_at="2100-01-01")
    assert value(connection, RETRY, id) is True
    assert claim_one(connection)["id"] == id


@pytest.mark.parametrize("at", ["queued", "running", "succeeded", "unknown"])
def test_there_is_nothing_to_retry(connection: Connection, at: str) -> None:
    id = enqueue(connection) + 100 * (at == "unknown")
    if at in ("running", "succeeded"):
        claimed = claim_one(connection)
    if at == "succeeded":
        complete(connection, claimed)
    before = rows(connection, "SELECT * FROM pgqueue.jobs")
    assert value(connection, RETRY, id) is False
    assert rows(connection, "SELECT * FROM pgqueue.jobs") == before


def test_two_retries_at_once_give_one_job(connection: Connection, other: Connection) -> None:
    id = make_dead(connection)
    with ThreadPoolExecutor(1) as background, connection.transaction():
        assert value(connection, RETRY, id) is True
        answer = background.submit(value, other, RETRY, id)
        wait_until_blocked(connection, other.info.backend_pid)
    assert answer.result() is False
    assert state(connection, id) == "queued"


# pause and resume


def test_a_pause_says_who_and_why(connection: Connection) -> None:
    connection.execute("SELECT pgqueue.pause_queue('mail', 'flood', 'ann')")
    found = row(connection, "SELECT * FROM pgqueue.queue WHERE name = 'mail'")
    assert (found["pause_reason"], found["paused_by"]) == ("flood", "ann")
    assert found["paused_at"] is not None


def test_pausing_again_keeps_the_instant(connection: Connection) -> None:
    query = "SELECT paused_at, paused_by, pause_reason FROM pgqueue.queue WHERE name = 'mail'"
    connection.execute("SELECT pgqueue.pause_queue('mail', 'flood', 'ann')")
    since = value(connection, query)
    connection.execute("SELECT pgqueue.pause_queue('mail')")
    user = value(connection, "SELECT session_user::text")
    assert row(connection, query) == {"paused_at": since, "paused_by": user, "pause_reason": None}


def test_resume_tells_whether_there_was_a_pause(connection: Connection) -> None:
    connection.execute("SELECT pgqueue.pause_queue('mail', 'flood')")
    resume = "SELECT pgqueue.resume_queue('mail')"
    assert [value(connection, resume) for _ in range(2)] == [True, False]
    query = "SELECT paused_at, paused_by, pause_reason FROM pgqueue.queue WHERE name = 'mail'"
    assert set(row(connection, query).values()) == {None}
    assert value(connection, "SELECT pgqueue.resume_queue('never seen')") is False


def test_running_jobs_go_on_in_a_paused_queue(connection: Connection) -> None:
    enqueue(connection)
    claimed = claim_one(connection)
    connection.execute("SELECT pgqueue.pause_queue('default')")
    assert complete(connection, claimed) == 1


# await_job


def test_waiting_is_for_live_jobs(connection: Connection) -> None:
    id = enqueue(connection)
    assert [value(connection, AWAIT, id) for _ in range(2)] == [True, True]
    complete(connection, claim_one(connection))
    assert value(connection, AWAIT, id) is False
    assert value(connection, AWAIT, id + 100) is False


def test_a_cancelled_job_is_announced(connection: Connection, other: Connection) -> None:
    id = enqueue(connection)
    connection.execute(AWAIT, [id])
    other.execute("LISTEN pgqueue_finished")
    connection.execute(CANCEL, [id])
    assert [note.channel for note in other.notifies(timeout=5, stop_after=1)] == [
        "pgqueue_finished"
    ]


# report_progress


def test_a_running_task_reports(connection: Connection) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    report = "SELECT pgqueue.report_progress(%s, %s, %s)"
    assert value(connection, report, id, claimed["lease"], Jsonb({"done": 3})) is True
    assert value(connection, report, id, claimed["lease"] + 1, Jsonb({"done": 9})) is False
    assert value(connection, "SELECT progress FROM pgqueue.jobs") == {"done": 3}
    connection.execute("SELECT pgqueue.release(ARRAY[%s], ARRAY[%s])", [id, claimed["lease"]])
    (again,) = claim(connection, register(connection))
    assert again["progress"] == '{"done": 3}'


def test_waiting_for_a_queued_job_makes_claimers_look_again(
    connection: Connection, other: Connection
) -> None:
    """A claimer that comes by while the waiter holds the row passes it over."""
    id, worker = enqueue(connection), register(connection)
    epoch = "SELECT epoch FROM pgqueue.queue WHERE name = 'default'"
    before = value(connection, epoch)
    with other.transaction():
        assert value(other, AWAIT, id)
        assert claim(connection, worker) == []
    assert value(connection, epoch) > before


def test_waiting_does_not_wait_for_a_locked_row(connection: Connection, other: Connection) -> None:
    id = enqueue(connection)
    connection.execute("SET lock_timeout = '1s'")
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job WHERE id = %s FOR UPDATE", [id])
        assert value(connection, AWAIT, id)
    assert not value(connection, "SELECT awaited FROM pgqueue.job WHERE id = %s", id)
    assert value(connection, AWAIT, id)
    assert value(connection, "SELECT awaited FROM pgqueue.job WHERE id = %s", id)


def test_a_pause_that_is_not_committed_holds_up_no_rescue(
    connection: Connection, other: Connection
) -> None:
    id, worker = enqueue(connection), register(connection)
    claim(connection, worker)
    expire(connection, worker)
    connection.execute("SET lock_timeout = '1s'")
    with other.transaction():
        other.execute("SELECT pgqueue.pause_queue('default')")
        assert [found["job_id"] for found in rescue(connection)] == [id]


def test_a_queue_keeps_jobs_for_a_thousand_years_at_most(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="at most 1000 years"):
        connection.execute("UPDATE pgqueue.queue SET keep_succeeded = '9999 years'")
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = '1000 years'")
    assert value(connection, "SELECT pgqueue.drop_partitions()") == 0
