"""Workers come, beat, go and get lost; their jobs and the due ones get back in line."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation

from tests.support import (
    claim,
    claim_one,
    enqueue,
    expire,
    job,
    register,
    rescue,
    row,
    rows,
    state,
    value,
    values,
)

Connection = psycopg.Connection[Any]
RENEW = "SELECT pgqueue.renew(%s, %s)"
PROMOTE = "SELECT pgqueue.promote()"
CHECK = "SELECT * FROM pgqueue.check_leases(%s::bigint[], %s::bigint[])"


# register, renew, unregister


def test_a_registered_worker_can_be_seen(connection: Connection) -> None:
    worker = register(connection, name="w1", queues=["mail", "default"], tasks=["a"], concurrency=7)
    found = row(connection, "SELECT * FROM pgqueue.workers")
    assert (found["id"], found["name"], found["concurrency"]) == (worker, "w1", 7)
    assert (found["queues"], found["tasks"], found["state"]) == (
        ["mail", "default"],
        ["a"],
        "running",
    )
    assert found["lease_expires_at"] - found["seen_at"] == timedelta(seconds=15)


def test_every_start_is_a_worker_of_its_own(connection: Connection) -> None:
    assert register(connection, queues=["mail"]) != register(connection, queues=["mail"])
    assert values(connection, "SELECT name FROM pgqueue.queue ORDER BY 1") == ["default", "mail"]


def test_registering_keeps_what_was_decided_about_a_queue(connection: Connection) -> None:
    connection.execute("SELECT pgqueue.pause_queue('mail', 'flood')")
    register(connection, queues=["mail"])
    query = "SELECT pause_reason FROM pgqueue.queue WHERE name = 'mail'"
    assert value(connection, query) == "flood"


def test_a_lease_has_a_length(connection: Connection) -> None:
    with pytest.raises(CheckViolation, match="lease_for is longer than zero"):
        register(connection, lease_for="0")


def test_a_heartbeat_extends_the_lease(connection: Connection) -> None:
    worker = register(connection)
    expire(connection, worker)
    assert value(connection, RENEW, worker, 3) is True
    found = row(connection, "SELECT state, running FROM pgqueue.workers")
    assert found == {"state": "running", "running": 3}
    assert rescue(connection) == []


def test_a_rescued_worker_has_no_heartbeat(connection: Connection) -> None:
    worker = register(connection)
    expire(connection, worker)
    rescue(connection)
    assert value(connection, RENEW, worker, 0) is False


def test_unregistering_tells_whether_there_was_a_worker(connection: Connection) -> None:
    worker = register(connection)
    unregister = "SELECT pgqueue.unregister(%s)"
    assert [value(connection, unregister, worker) for _ in range(2)] == [True, False]


# check_leases


def test_a_worker_learns_what_to_stop(connection: Connection) -> None:
    for _ in range(3):
        enqueue(connection)
    worker = register(connection)
    fine, cancelled, lost = claim(connection, worker, 3)
    connection.execute("SELECT pgqueue.cancel(%s, 'not needed')", [cancelled["id"]])
    held = (fine, cancelled, lost)
    leases = [fine["lease"], cancelled["lease"], lost["lease"] + 1]
    found = rows(connection, CHECK, [each["id"] for each in held], leases)
    assert sorted(found, key=lambda each: int(each["job_id"])) == [
        {"job_id": cancelled["id"], "verdict": "cancel", "reason": "not needed"},
        {"job_id": lost["id"], "verdict": "lost", "reason": None},
    ]


# rescue


def test_a_lost_worker_gives_its_jobs_back(connection: Connection) -> None:
    id = enqueue(connection, queue="mail")
    place = value(connection, "SELECT ready_xid FROM pgqueue.job")
    worker = register(connection, name="w1", queues=["mail"])
    stale = claim_one(connection, worker, "mail")
    expire(connection, worker)
    (rescued,) = rescue(connection)
    assert rescued == {
        "job_id": id,
        "queue": "mail",
        "task": "t",
        "worker_id": worker,
        "worker": "w1",
        "state": "queued",
    }
    after = row(connection, "SELECT ready_xid, lease, attempt FROM pgqueue.job")
    assert after == {"ready_xid": place, "lease": None, "attempt": 1}
    assert value(connection, "SELECT epoch FROM pgqueue.queue WHERE name = 'mail'") == 1
    assert claim_one(connection, queue="mail")["lease"] != stale["lease"]


def test_a_rescue_is_a_failed_attempt(connection: Connection) -> None:
    enqueue(connection)
    worker = register(connection)
    claim_one(connection, worker)
    expire(connection, worker)
    rescue(connection)
    failure = row(connection, "SELECT error_type, attempt, worker_id FROM pgqueue.failures")
    assert failure == {"error_type": "WorkerLost", "attempt": 1, "worker_id": worker}


def test_the_last_attempt_ends_dead(connection: Connection) -> None:
    id = enqueue(connection, max_attempts=1)
    worker = register(connection)
    claim_one(connection, worker)
    expire(connection, worker)
    assert [rescued["state"] for rescued in rescue(connection)] == ["dead"]
    found = job(connection, id)
    assert found is not None
    assert found["state"] == "dead"
    assert found["reason"] == "WorkerLost: the worker stopped sending heartbeats"


def test_a_job_asked_to_cancel_ends_cancelled(connection: Connection) -> None:
    id = enqueue(connection)
    worker = register(connection)
    claim_one(connection, worker)
    connection.execute("SELECT pgqueue.cancel(%s, 'not needed')", [id])
    expire(connection, worker)
    assert [rescued["state"] for rescued in rescue(connection)] == ["cancelled"]
    assert state(connection, id) == "cancelled"


@pytest.mark.parametrize("thorough", [False, True])
def test_a_live_worker_is_left_alone(connection: Connection, thorough: bool) -> None:
    id = enqueue(connection)
    claim_one(connection)
    assert rescue(connection, thorough=thorough) == []
    assert state(connection, id) == "running"


def test_only_a_thorough_rescue_finds_orphans(connection: Connection) -> None:
    id = enqueue(connection)
    worker = register(connection)
    claim_one(connection, worker)
    connection.execute("SELECT pgqueue.unregister(%s)", [worker])
    assert rescue(connection) == []
    (rescued,) = rescue(connection, thorough=True)
    assert (rescued["job_id"], rescued["worker"], rescued["state"]) == (id, None, "queued")


def test_a_locked_job_is_left_to_a_later_thorough_rescue(
    connection: Connection, other: Connection
) -> None:
    id = enqueue(connection)
    worker = register(connection)
    claim_one(connection, worker)
    expire(connection, worker)
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job WHERE id = %s FOR UPDATE", [id])
        assert rescue(connection) == []
        assert rescue(connection, thorough=True) == []
    assert [rescued["job_id"] for rescued in rescue(connection, thorough=True)] == [id]


def test_a_rescue_calls_each_queue_once(connection: Connection) -> None:
    for queue in ("b", "a", "b"):
        enqueue(connection, queue=queue)
    worker = register(connection, queues=["a", "b"])
    assert [len(claim(connection, worker, 9, queue)) for queue in ("a", "b")] == [1, 2]
    expire(connection, worker)
    assert [rescued["queue"] for rescued in rescue(connection)] == ["a", "b", "b"]
    epochs = "SELECT name, epoch FROM pgqueue.queue WHERE epoch > 0 ORDER BY name"
    assert rows(connection, epochs) == [{"name": "a", "epoch": 1}, {"name": "b", "epoch": 1}]


def test_two_rescuers_share_the_work(connection: Connection, other: Connection) -> None:
    enqueue(connection)
    worker = register(connection)
    claim_one(connection, worker)
    expire(connection, worker)
    with connection.transaction():
        assert len(rescue(connection)) == 1
        assert rescue(other, thorough=True) == []
    assert len(rows(connection, "SELECT FROM pgqueue.failure")) == 1


# promote


def test_due_jobs_become_ready_at_the_end_of_the_line(connection: Connection) -> None:
    waiting = enqueue(connection, run_at="2100-01-01")
    first = enqueue(connection)
    connection.execute("UPDATE pgqueue.job SET run_at = now() WHERE id = %s", [waiting])
    assert value(connection, PROMOTE) is None
    assert state(connection, waiting) == "queued"
    worker = register(connection)
    assert [claim_one(connection, worker)["id"] for _ in range(2)] == [first, waiting]


def test_promote_tells_when_the_next_one_is_due(connection: Connection) -> None:
    with connection.transaction():
        enqueue(connection, run_at=value(connection, "SELECT now() + interval '1 hour'"))
    assert 3500 < value(connection, PROMOTE) <= 3600
    assert values(connection, "SELECT state FROM pgqueue.jobs") == ["scheduled"]


def test_promote_does_at_most_max_jobs(connection: Connection) -> None:
    ids = [enqueue(connection, run_at="2100-01-01") for _ in range(3)]
    connection.execute("UPDATE pgqueue.job SET run_at = now() - id * interval '1 s'")
    assert value(connection, "SELECT pgqueue.promote(2)") <= 0
    assert [state(connection, id) for id in ids] == ["scheduled", "queued", "queued"]


def test_a_retrying_job_is_promoted_too(connection: Connection) -> None:
    id = enqueue(connection)
    claimed = claim_one(connection)
    fail = "SELECT pgqueue.fail(%s, %s, '0', 'E', 'm')"
    assert value(connection, fail, id, claimed["lease"]) == "retrying"
    assert state(connection, id) == "retrying"
    connection.execute(PROMOTE)
    assert claim_one(connection)["attempt"] == 2
