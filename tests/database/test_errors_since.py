"""Errors since a time, by what they have in common, read by index."""

from collections.abc import Callable
from typing import Any

import psycopg

from tests.support import rows, value

Connection = psycopg.Connection[Any]
INSERT = """
    INSERT INTO pgqueue.failure (job_id, attempt, queue, task, failed_at, error_type, message,
                                 fingerprint, place)
    VALUES (%s, 1, 'default', %s, now() - %s::interval, 'ValueError', %s, %s,
            'jobs.py:31 in charge')
"""
SINCE = "SELECT * FROM pgqueue.errors_since(now() - interval '12 hours')"


def fail(
    connection: Connection, ago: str, *, job: int = 1, task: str = "t", error: str = "f"
) -> None:
    connection.execute(INSERT, [job, task, ago, f"declined {job}", error])


def test_they_are_counted_and_have_a_trend(connection: Connection) -> None:
    fail(connection, "2 days")
    for job in (1, 1, 2):
        fail(connection, "11 hours 30 minutes", job=job)
    fail(connection, "10 seconds", job=3)
    fail(connection, "5 hours 30 minutes", error="new")
    first, second = rows(connection, SINCE)
    assert first.pop("last_seen") > second.pop("last_seen")
    assert first.pop("first_seen") < second.pop("first_seen")
    assert first == {
        "fingerprint": "f",
        "task": "t",
        "error_type": "ValueError",
        "place": "jobs.py:31 in charge",
        "example": "declined 1",
        "failures": 4,
        "jobs": 3,
        "is_new": False,
        "trend": [3, *[0] * 10, 1],
    }
    assert (second["fingerprint"], second["is_new"]) == ("new", True)
    assert second["trend"] == [0] * 6 + [1] + [0] * 5


def test_the_trend_has_what_fails_while_it_is_asked(
    connection: Connection, guard: Callable[..., bool]
) -> None:
    """An error may be noted by a transaction that began after the one that asks."""
    guarded = guard("errors_since", "least(12, ", "(")
    fail(connection, "-1 minute")
    (found,) = rows(connection, SINCE)
    assert found["failures"] == 1
    assert found["trend"] == [*[0] * 11, 1 if guarded else 0]


def test_one_error_of_two_tasks_is_two(connection: Connection) -> None:
    fail(connection, "2 days", task="a")
    fail(connection, "1 hour", task="a")
    fail(connection, "1 hour", task="b")
    assert {each["task"]: each["is_new"] for each in rows(connection, SINCE)} == {
        "a": False,
        "b": True,
    }


def test_nothing_but_what_is_asked_for_is_read(connection: Connection) -> None:
    old = """
        INSERT INTO pgqueue.failure (job_id, attempt, queue, task, failed_at, error_type, message,
                                     fingerprint)
        SELECT n, 1, 'default', 't', now() - interval '3 days', 'E', 'm', 'old' || n % 3
        FROM generate_series(1, 5000) AS n
    """
    connection.execute(old)
    connection.execute("ANALYZE pgqueue.failure")
    fail(connection, "1 hour", error="old1")
    counted = """
        SELECT seq_scan + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'failure'
    """
    with connection.transaction():
        (found,) = rows(connection, SINCE)
        assert value(connection, counted) <= 20
    assert (found["failures"], found["is_new"]) == (1, False)


def test_the_view_has_the_place(connection: Connection) -> None:
    fail(connection, "1 hour")
    assert value(connection, "SELECT place FROM pgqueue.error_groups") == "jobs.py:31 in charge"
