"""How an attempt ends: complete, fail, snooze, cancel_running, release."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation

from tests.support import (
    claim,
    claim_one,
    complete,
    enqueue,
    heard,
    job,
    register,
    row,
    rows,
    state,
    value,
)

Connection = psycopg.Connection[Any]
KEEP_NONE = "UPDATE pgqueue.queue SET keep_succeeded = NULL"
FAIL = "SELECT pgqueue.fail(%s, %s, %s, 'ValueError', 'no such user', 'Traceback', 'f1')"


def end(connection: Connection, query: str, claimed: dict[str, Any], *more: Any) -> Any:
    return value(connection, query, claimed["id"], claimed["lease"], *more)


def epoch(connection: Connection) -> int:
    return int(value(connection, "SELECT epoch FROM pgqueue.queue WHERE name = 'default'"))


def listen(connection: Connection) -> None:
    connection.execute("LISTEN pgqueue_finished")


# complete


def test_a_batch_is_completed_with_its_results(connection: Connection) -> None:
    ids = [enqueue(connection, args={"n": n}) for n in range(3)]
    claimed = claim(connection, register(connection), 3)
    results = {str(ids[0]): {"rows": 7}, str(ids[2]): None}
    assert complete(connection, *claimed, results=results) == 3
    found = [job(connection, id) for id in ids]
    assert [each and each["state"] for each in found] == ["succeeded"] * 3
    assert [each and each["result"] for each in found] == [{"rows": 7}, None, None]
    assert [each and each["args"] for each in found] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert rows(connection, "SELECT FROM pgqueue.job") == []


def test_a_completed_job_lands_in_the_partition_of_its_day(connection: Connection) -> None:
    enqueue(connection)
    complete(connection, claim_one(connection))
    part = "SELECT tableoid::regclass::text FROM pgqueue.job_done"
    today = value(connection, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')")
    assert value(connection, part) == f"pgqueue.job_done_{today}"


def test_completing_twice_counts_once(connection: Connection) -> None:
    enqueue(connection)
    claimed = claim_one(connection)
    assert complete(connection, claimed) == 1
    assert complete(connection, claimed) == 0
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 1


@pytest.mark.parametrize("keep", [True, False])
def test_a_lost_lease_in_a_batch_costs_only_itself(connection: Connection, keep: bool) -> None:
    ids = [enqueue(connection) for _ in range(3)]
    claimed = claim(connection, register(connection), 3)
    claimed[1]["lease"] += 1
    if not keep:
        connection.execute(KEEP_NONE)
    assert complete(connection, *claimed) == 2
    ended = "succeeded" if keep else None
    assert [state(connection, id) for id in ids] == [ended, "running", ended]


@pytest.mark.parametrize("results", [None, {}])
def test_a_queue_that_keeps_nothing_deletes(connection: Connection, results: Any) -> None:
    id = enqueue(connection)
    connection.execute(KEEP_NONE)
    assert complete(connection, claim_one(connection), results=results) == 1
    assert job(connection, id) is None


def test_an_awaited_job_is_kept_and_announced(connection: Connection, other: Connection) -> None:
    awaited, ordinary = enqueue(connection), enqueue(connection)
    connection.execute(KEEP_NONE)
    connection.execute("SELECT pgqueue.await_job(%s)", [awaited])
    listen(other)
    assert complete(connection, *claim(connection, register(connection), 2)) == 2
    assert [state(connection, id) for id in (awaited, ordinary)] == ["succeeded", None]
    assert heard(other, "pgqueue_finished") == [""]


def test_an_ordinary_completion_is_silent(connection: Connection, other: Connection) -> None:
    enqueue(connection)
    listen(other)
    complete(connection, claim_one(connection))
    assert heard(other, "pgqueue_finished") == []


def test_completion_rolls_back_with_the_work_of_the_task(connection: Connection) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    with connection.transaction(force_rollback=True):
        assert complete(connection, claimed) == 1
    assert state(connection, id) == "running"
    assert complete(connection, claimed) == 1


# fail


def test_a_failure_with_a_delay_is_retried(connection: Connection) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    assert end(connection, FAIL, claimed, timedelta(hours=1)) == "retrying"
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["attempt"], found["worker_id"]) == ("retrying", 1, None)
    ahead = "SELECT run_at - now() FROM pgqueue.jobs"
    assert timedelta(minutes=59) < value(connection, ahead) <= timedelta(hours=1)


def test_a_failure_is_told_in_full(connection: Connection) -> None:
    id = enqueue(connection, queue="mail")
    claimed = claim_one(connection, queue="mail")
    end(connection, FAIL, claimed, timedelta(0))
    failure = row(connection, "SELECT * FROM pgqueue.failures")
    assert (failure["job_id"], failure["attempt"], failure["queue"]) == (id, 1, "mail")
    assert (failure["error_type"], failure["message"]) == ("ValueError", "no such user")
    assert (failure["traceback"], failure["fingerprint"]) == ("Traceback", "f1")
    assert failure["worker_id"] is not None
    assert failure["started_at"] is not None


def test_a_failure_without_a_delay_is_final(connection: Connection, other: Connection) -> None:
    id = enqueue(connection, args={"n": 1}, timeout="1 min")
    connection.execute("SELECT pgqueue.await_job(%s)", [id])
    listen(other)
    assert end(connection, FAIL, claim_one(connection), None) == "dead"
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["reason"]) == ("dead", "ValueError: no such user")
    assert (found["args"], found["timeout"]) == ({"n": 1}, timedelta(minutes=1))
    assert heard(other, "pgqueue_finished") == [""]


def test_a_failure_after_a_request_to_cancel_is_the_end(connection: Connection) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    connection.execute("SELECT pgqueue.cancel(%s, 'not needed')", [id])
    assert end(connection, FAIL, claimed, timedelta(0)) == "cancelled"
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["reason"]) == ("cancelled", "not needed")
    assert len(rows(connection, "SELECT FROM pgqueue.failure")) == 1


def test_the_fingerprint_is_the_error_type_unless_given(connection: Connection) -> None:
    enqueue(connection)
    short = "SELECT pgqueue.fail(%s, %s, NULL, 'ValueError', 'x')"
    end(connection, short, claim_one(connection))
    assert value(connection, "SELECT fingerprint FROM pgqueue.failure") == "ValueError"


SNOOZE = "SELECT pgqueue.snooze(%s, %s, %s)"


@pytest.mark.parametrize("query", [FAIL, SNOOZE])
@pytest.mark.parametrize("delay", [timedelta.max, timedelta(days=-999999999)])
def test_any_delay_is_brought_within_range(
    connection: Connection, query: str, delay: timedelta
) -> None:
    enqueue(connection)
    end(connection, query, claim_one(connection), delay)
    assert value(connection, "SELECT run_at >= now() - interval '1 min' FROM pgqueue.jobs")


# snooze


def test_a_snoozed_job_keeps_its_attempt(connection: Connection) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    assert end(connection, SNOOZE, claimed, timedelta(hours=1)) == "scheduled"
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["attempt"], found["worker_id"]) == ("scheduled", 0, None)
    assert rows(connection, "SELECT FROM pgqueue.failure") == []


def test_a_snooze_after_a_request_to_cancel_is_the_end(connection: Connection) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    connection.execute("SELECT pgqueue.cancel(%s)", [id])
    assert end(connection, SNOOZE, claimed, timedelta(hours=1)) == "cancelled"
    assert state(connection, id) == "cancelled"


# cancel_running


@pytest.mark.parametrize(("own", "reason"), [("mine", "mine"), (None, "theirs")])
def test_a_task_ends_itself_as_cancelled(
    connection: Connection, own: str | None, reason: str
) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    connection.execute("SELECT pgqueue.cancel(%s, 'theirs')", [id])
    query = "SELECT pgqueue.cancel_running(%s, %s, %s)"
    assert end(connection, query, claimed, own) == "cancelled"
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["reason"], found["attempt"]) == ("cancelled", reason, 1)
    assert rows(connection, "SELECT FROM pgqueue.failure") == []


# release


def test_released_jobs_keep_their_place_and_their_attempts(connection: Connection) -> None:
    ids = [enqueue(connection) for _ in range(3)]
    before = rows(connection, "SELECT id, ready_xid, attempt FROM pgqueue.job ORDER BY id")
    worker = register(connection)
    claimed = claim(connection, worker, 2)
    release = "SELECT pgqueue.release(%s::bigint[], %s::bigint[])"
    leases = [found["lease"] for found in claimed]
    assert value(connection, release, ids[:2], leases) == 2
    assert rows(connection, "SELECT id, ready_xid, attempt FROM pgqueue.job ORDER BY id") == before
    assert epoch(connection) == 1
    assert [found["id"] for found in claim(connection, worker, 9)] == ids


def test_releasing_nothing_leaves_the_epoch(connection: Connection) -> None:
    enqueue(connection)
    claimed = claim_one(connection)
    release = "SELECT pgqueue.release(ARRAY[%s::bigint], ARRAY[%s::bigint])"
    assert value(connection, release, claimed["id"], claimed["lease"] + 1) == 0
    assert epoch(connection) == 0


def test_a_check_on_a_queue_setting_is_a_sentence(connection: Connection) -> None:
    with pytest.raises(CheckViolation, match="keep_succeeded is longer than zero"):
        connection.execute("UPDATE pgqueue.queue SET keep_succeeded = '0'")
