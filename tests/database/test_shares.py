"""Tenants are served in turn, by their weights; and who waits too long is cancelled."""

from collections import Counter
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import (
    claim_gated,
    complete,
    enqueue,
    register,
    row,
    sentinel_or_claimed,
    state,
    value,
)
from tests.support.jobs import existing_job

Connection = psycopg.Connection[Any]


@pytest.fixture
def worker(connection: Connection) -> int:
    return register(connection)


def flood(connection: Connection, jobs: dict[str, int], **options: Any) -> None:
    """Enqueue so many jobs of each tenant, one tenant after the other."""
    made = [
        {"task": "t", "tags": [tenant], "flow": {"fair_key": tenant}, **options}
        for tenant, count in jobs.items()
        for _ in range(count)
    ]
    connection.execute("SELECT pgqueue.enqueue_many(%s)", [Jsonb(made)])


def served(connection: Connection, worker: int, looks: int, each: int) -> Counter[str]:
    """Claim and complete in so many looks; how many jobs each tenant got."""
    got: Counter[str] = Counter()
    for _ in range(looks):
        claimed = claim_gated(connection, worker, each)
        got.update(found["tags"][0] for found in claimed)
        complete(connection, *claimed)
    return got


@pytest.mark.parametrize("each", [1, 7, 30])
def test_a_flood_does_not_starve_the_rest(connection: Connection, worker: int, each: int) -> None:
    flood(connection, {"flood": 300, "a": 10, "b": 10})
    got = served(connection, worker, 30 // each, each)
    assert max(got.values()) - min(got.values()) <= 1, got
    assert got.total() == 30 // each * each


def test_weights(connection: Connection, worker: int) -> None:
    connection.execute("SELECT pgqueue.set_weight('default', 'big', 3)")
    flood(connection, {"big": 100, "small": 100})
    assert served(connection, worker, 40, 1) == {"big": 30, "small": 10}
    connection.execute("SELECT pgqueue.set_weight('default', 'big', 1)")
    assert served(connection, worker, 20, 1) == {"big": 10, "small": 10}


def test_nothing_is_lost_when_only_one_has_jobs(connection: Connection, worker: int) -> None:
    flood(connection, {"only": 50})
    assert served(connection, worker, 1, 50) == {"only": 50}


def test_who_was_away_saves_nothing_up(connection: Connection, worker: int) -> None:
    flood(connection, {"steady": 100, "guest": 1})
    served(connection, worker, 60, 1)
    flood(connection, {"guest": 50})
    assert served(connection, worker, 20, 1) == {"steady": 10, "guest": 10}


def test_jobs_without_a_tenant_are_one_more(connection: Connection, worker: int) -> None:
    flood(connection, {"a": 50, "b": 50})
    for _ in range(50):
        enqueue(connection, tags=["none"], flow={"limits": ["x"]})
    assert served(connection, worker, 30, 1) == {"a": 10, "b": 10, "none": 10}


def test_priority_counts_within_a_tenant(connection: Connection, worker: int) -> None:
    flood(connection, {"a": 5, "b": 5})
    urgent = enqueue(connection, tags=["a"], priority=5, flow={"fair_key": "a"})
    assert urgent in [claimed["id"] for claimed in claim_gated(connection, worker, 2)]


def test_tenants_take_turns_under_a_limit(connection: Connection, worker: int) -> None:
    connection.execute("SELECT pgqueue.set_limit('queue:default', concurrency => 2)")
    flood(connection, {"flood": 100, "a": 10})
    assert served(connection, worker, 10, 100) == {"flood": 10, "a": 10}


def test_an_unknown_task_keeps_nobody_back(connection: Connection, worker: int) -> None:
    connection.execute("SELECT pgqueue.set_limit('x', concurrency => 1)")
    enqueue(connection, "strange", flow={"limits": ["x"]})
    first, second = (enqueue(connection, flow={"limits": ["x"]}) for _ in range(2))
    known = claim_gated(connection, worker, unknown=("strange",))
    assert [claimed["id"] for claimed in known] == [first]
    complete(connection, *known)
    connection.execute("UPDATE pgqueue.look SET at = now()")
    known = claim_gated(connection, worker, unknown=("strange",))
    assert [claimed["id"] for claimed in known] == [second]


# Expiry


def test_a_job_that_waits_too_long_is_cancelled(connection: Connection, worker: int) -> None:
    late = enqueue(connection, flow={"expires_at": "2020-01-01T00:00:00Z"})
    early = enqueue(connection, flow={"expires_in": "1 hour"})
    assert [claimed["id"] for claimed in claim_gated(connection, worker)] == [early]
    found = existing_job(connection, late)
    assert (found["state"], found["reason"]) == ("cancelled", "it expired before it started")


def test_a_job_that_has_started_does_not_expire(connection: Connection, worker: int) -> None:
    id = enqueue(connection, flow={"expires_in": "1 hour"})
    claim_gated(connection, worker)
    connection.execute("UPDATE pgqueue.gate SET expires_at = '2020-01-01'")
    claim_gated(connection, worker)
    assert state(connection, id) == "running"


def test_an_expired_job_that_is_locked_is_left_for_later(
    connection: Connection, other: Connection, worker: int
) -> None:
    id = enqueue(connection, flow={"expires_at": "2020-01-01T00:00:00Z"})
    other.execute("BEGIN")
    other.execute("SELECT FROM pgqueue.job WHERE id = %s FOR UPDATE", [id])
    connection.execute("SET lock_timeout = '5s'")
    assert claim_gated(connection, worker) == []
    assert state(connection, id) == "blocked"
    other.execute("COMMIT")
    assert claim_gated(connection, worker) == []
    assert state(connection, id) == "cancelled"


def test_a_retry_budget_by_time(connection: Connection, worker: int) -> None:
    id = enqueue(connection, flow={"retry_for": "1 hour", "fair_key": "a"})
    failed = "SELECT pgqueue.fail(%s, %s, %s, 'E', 'm')"
    (claimed,) = claim_gated(connection, worker)
    assert value(connection, failed, id, claimed["lease"], "30 minutes") == "retrying"
    connection.execute("UPDATE pgqueue.job SET run_at = now()")
    connection.execute("SELECT pgqueue.promote()")
    (claimed,) = claim_gated(connection, worker)
    assert value(connection, failed, id, claimed["lease"], "2 hours") == "dead"
    assert value(connection, "SELECT pgqueue.retry(%s)", id) is True
    found = row(connection, "SELECT state, flow FROM pgqueue.jobs")
    assert found == {"state": "blocked", "flow": {"fair_key": "a"}}


def test_no_expired_job_is_picked_however_many_there_are(
    connection: Connection, worker: int
) -> None:
    late = [{"task": "t", "flow": {"expires_at": "2020-01-01T00:00:00Z"}}] * 250
    connection.execute("SELECT pgqueue.enqueue_many(%s)", [Jsonb(late)])
    assert claim_gated(connection, worker, 300) == []
    told = sentinel_or_claimed(connection, worker, 1)
    assert told[-1]["task"] == "gate"


@pytest.mark.parametrize("back", ["released", "retried"])
def test_a_job_that_comes_back_does_not_expire(
    connection: Connection, worker: int, back: str
) -> None:
    id = enqueue(connection, flow={"expires_in": "1 hour"})
    (claimed,) = claim_gated(connection, worker)
    connection.execute('UPDATE pgqueue.job SET flow = \'{"expires_at": "2020-01-01"}\'')
    connection.execute("UPDATE pgqueue.gate SET expires_at = '2020-01-01'")
    if back == "released":
        connection.execute("SELECT pgqueue.release(ARRAY[%s], ARRAY[%s])", [id, claimed["lease"]])
        connection.execute("UPDATE pgqueue.gate SET expires_at = NULL")
    else:
        connection.execute("SELECT pgqueue.fail(%s, %s, '0', 'E', 'm')", [id, claimed["lease"]])
        connection.execute("SELECT pgqueue.promote()")
    assert [found["id"] for found in claim_gated(connection, worker)] == [id]


def test_the_last_of_a_thousand_tenants_gets_its_turn(connection: Connection, worker: int) -> None:
    """Each look goes over a thousand of those that wait; the next one goes on behind them."""
    connection.execute("SELECT pgqueue.set_limit('x', concurrency => 1)")
    jobs = [
        {"task": "t", "queue": queue, "flow": {"fair_key": f"{number:04}", "limits": ["x"]}}
        for queue, tenants in (("default", 1002), ("vip", 1))
        for number in range(tenants)
        for _ in range(2)
    ]
    connection.execute("SELECT pgqueue.enqueue_many(%s)", [Jsonb(jobs)])
    running = claim_gated(connection, worker, 1)
    while value(connection, "SELECT count(*) FROM pgqueue.gate WHERE state = 'open'"):
        assert claim_gated(connection, worker, 1000) == []
        assert claim_gated(connection, worker, 1000, "vip") == []
    for _ in range(4):
        complete(connection, *running)
        if important := claim_gated(connection, worker, 1, "vip"):
            break
        running = claim_gated(connection, worker, 1)
    assert important
