"""The views: what people see of jobs, failures, workers and queues."""

from datetime import timedelta
from typing import Any

import psycopg

from tests.support import (
    claim_one,
    complete,
    enqueue,
    expire,
    register,
    row,
    rows,
    value,
    values,
)

Connection = psycopg.Connection[Any]
FAIL = "SELECT pgqueue.fail(%s, %s, %s, %s, %s, NULL, %s)"


def fail(
    connection: Connection,
    id: int,
    delay: timedelta | None,
    error: str = "E",
    fingerprint: str = "f",
) -> None:
    claimed = claim_one(connection)
    assert claimed["id"] == id
    message = f"{error} of {id}"
    value(connection, FAIL, id, claimed["lease"], delay, error, message, fingerprint)


def one_of_each(connection: Connection) -> dict[str, int]:
    """A job in each state; the lines before are empty, so that the next claim gets the new one."""
    ids = {"dead": enqueue(connection, "dead")}
    fail(connection, ids["dead"], None)
    ids["retrying"] = enqueue(connection, "retrying")
    fail(connection, ids["retrying"], timedelta(hours=1))
    ids["succeeded"] = enqueue(connection, "succeeded")
    complete(connection, claim_one(connection), results={str(ids["succeeded"]): 7})
    ids["running"] = enqueue(connection, "running")
    claim_one(connection)
    ids["cancelled"] = enqueue(connection, "cancelled")
    value(connection, "SELECT pgqueue.cancel(%s)", ids["cancelled"])
    ids["scheduled"] = enqueue(connection, "scheduled", run_at="2100-01-01")
    ids["queued"] = enqueue(connection, "queued")
    return ids


def test_jobs_shows_every_job_once(connection: Connection) -> None:
    ids = one_of_each(connection)
    found = {each["id"]: each for each in rows(connection, "SELECT * FROM pgqueue.jobs")}
    assert {each["state"]: id for id, each in found.items()} == ids
    for each in found.values():
        ended = each["state"] in ("succeeded", "dead", "cancelled")
        assert (each["finished_at"] is not None) is ended
    assert found[ids["succeeded"]]["result"] == 7


def test_dead_jobs_shows_the_dead_and_the_cancelled(connection: Connection) -> None:
    ids = one_of_each(connection)
    found = rows(connection, "SELECT id, state FROM pgqueue.dead_jobs")
    assert {each["state"]: each["id"] for each in found} == {
        "dead": ids["dead"],
        "cancelled": ids["cancelled"],
    }


def test_failures_shows_each_failed_attempt(connection: Connection) -> None:
    id = enqueue(connection)
    fail(connection, id, timedelta(0))
    connection.execute("SELECT pgqueue.promote()")
    fail(connection, id, None)
    assert values(connection, "SELECT attempt FROM pgqueue.failures ORDER BY id") == [1, 2]


def test_error_groups_counts_failures_and_jobs(connection: Connection) -> None:
    first, second = enqueue(connection), enqueue(connection)
    fail(connection, first, None)
    fail(connection, second, timedelta(0))
    connection.execute("SELECT pgqueue.promote()")
    fail(connection, second, None)
    other = enqueue(connection, "u")
    fail(connection, other, None, "F", "g")
    found = rows(connection, "SELECT * FROM pgqueue.error_groups ORDER BY fingerprint")
    counted = [(each["task"], each["error_type"], each["failures"], each["jobs"]) for each in found]
    assert counted == [("t", "E", 3, 2), ("u", "F", 1, 1)]
    assert found[0]["example"] == f"E of {first}"
    assert found[0]["first_seen"] <= found[0]["last_seen"]


def test_workers_shows_how_they_are(connection: Connection) -> None:
    register(connection, name="well")
    expire(connection, register(connection, name="gone"))
    leaving = register(connection, name="leaving")
    connection.execute("UPDATE pgqueue.worker SET draining_at = now() WHERE id = %s", [leaving])
    found = rows(connection, "SELECT name, state FROM pgqueue.workers ORDER BY id")
    assert [tuple(each.values()) for each in found] == [
        ("well", "running"),
        ("gone", "lost"),
        ("leaving", "draining"),
    ]


def test_queue_stats_counts_by_state(connection: Connection) -> None:
    one_of_each(connection)
    stats = row(connection, "SELECT * FROM pgqueue.queue_stats")
    counted = {name: stats[name] for name in ("queued", "running", "scheduled", "retrying", "dead")}
    assert counted == dict.fromkeys(counted, 1)
    oldest = value(connection, "SELECT enqueued_at FROM pgqueue.jobs WHERE state = 'queued'")
    assert stats["oldest_queued_at"] == oldest
    assert (stats["keep_succeeded"], stats["keep_dead"]) == (timedelta(days=7), timedelta(days=30))


def test_queue_stats_knows_queues_without_a_row(connection: Connection) -> None:
    enqueue(connection, queue="new")
    stats = row(connection, "SELECT * FROM pgqueue.queue_stats WHERE queue = 'new'")
    assert (stats["queued"], stats["workers"], stats["paused_at"]) == (1, 0, None)
    assert stats["keep_succeeded"] == timedelta(days=7)


def test_queue_stats_counts_the_workers_that_are_well(connection: Connection) -> None:
    register(connection, queues=["default", "mail"])
    expire(connection, register(connection, queues=["mail"]))
    found = rows(connection, "SELECT queue, workers FROM pgqueue.queue_stats ORDER BY queue")
    assert [tuple(each.values()) for each in found] == [("default", 1), ("mail", 1)]


def test_a_queue_that_keeps_nothing_shows_null(connection: Connection) -> None:
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL")
    assert value(connection, "SELECT keep_succeeded FROM pgqueue.queue_stats") is None
