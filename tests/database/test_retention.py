"""What is kept and for how long: partitions of job_done, and prune."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.support import (
    claim_one,
    complete,
    enqueue,
    rows,
    state,
    value,
    values,
    wait_until_blocked,
)

Connection = psycopg.Connection[Any]
ADD = "SELECT pgqueue.add_partition(%s)"
DROP = "SELECT pgqueue.drop_partitions()"
PRUNE = "SELECT pgqueue.prune()"
WHERE = "SELECT tableoid::regclass::text FROM pgqueue.job_done WHERE id = %s"
PARTITIONS = """
    SELECT inhrelid::regclass::text FROM pg_inherits
    WHERE inhparent = 'pgqueue.job_done'::regclass ORDER BY 1
"""


def today(connection: Connection) -> date:
    found = value(connection, "SELECT (now() AT TIME ZONE 'UTC')::date")
    assert isinstance(found, date)
    return found


def partition(day: date) -> str:
    return f"pgqueue.job_done_{day:%Y%m%d}"


def done_at(connection: Connection, finished_at: datetime) -> int:
    """A succeeded job that finished then."""
    id = enqueue(connection)
    complete(connection, claim_one(connection))
    connection.execute(
        "UPDATE pgqueue.job_done SET finished_at = %s WHERE id = %s", [finished_at, id]
    )
    return id


def die(connection: Connection, days_ago: int, queue: str = "default") -> int:
    """A job that died so many days ago, with its failure."""
    id = enqueue(connection, queue=queue)
    bury = "SELECT pgqueue.fail(%s, %s, NULL, 'E', 'm')"
    value(connection, bury, id, claim_one(connection, queue=queue)["lease"])
    ago = timedelta(days=days_ago)
    connection.execute(
        "UPDATE pgqueue.job_dead SET finished_at = now() - %s WHERE id = %s", [ago, id]
    )
    connection.execute(
        "UPDATE pgqueue.failure SET failed_at = now() - %s WHERE job_id = %s", [ago, id]
    )
    return id


# Partitions


def test_there_are_partitions_for_a_week(connection: Connection) -> None:
    first = today(connection)
    days = [partition(first + timedelta(days=ahead)) for ahead in range(8)]
    assert values(connection, PARTITIONS) == [*days, "pgqueue.job_done_default"]


def test_a_partition_is_added_once(connection: Connection) -> None:
    day = date(2100, 2, 28)
    assert [value(connection, ADD, day) for _ in range(2)] == [True, False]
    id = done_at(connection, datetime(2100, 2, 28, 23, 59, 59, tzinfo=UTC))
    assert value(connection, WHERE, id) == partition(day)


@pytest.mark.parametrize("timezone", ["Pacific/Kiritimati", "Pacific/Niue", "Europe/Berlin"])
def test_days_are_those_of_utc(connection: Connection, timezone: str) -> None:
    connection.execute(f"SET timezone = '{timezone}'".encode())
    value(connection, ADD, date(2100, 3, 28))
    for hour in (0, 23):
        id = done_at(connection, datetime(2100, 3, 28, hour, tzinfo=UTC))
        assert value(connection, WHERE, id) == "pgqueue.job_done_21000328"
    id = done_at(connection, datetime(2100, 3, 29, tzinfo=UTC))
    assert value(connection, WHERE, id) == "pgqueue.job_done_default"


def test_rows_of_the_default_partition_move_in(connection: Connection) -> None:
    stays = done_at(connection, datetime(2100, 1, 3, 0, 0, tzinfo=UTC))
    moves = done_at(connection, datetime(2100, 1, 2, 12, 0, tzinfo=UTC))
    assert value(connection, WHERE, moves) == "pgqueue.job_done_default"
    assert value(connection, ADD, date(2100, 1, 2)) is True
    assert value(connection, WHERE, moves) == "pgqueue.job_done_21000102"
    assert value(connection, WHERE, stays) == "pgqueue.job_done_default"
    assert [state(connection, id) for id in (stays, moves)] == ["succeeded"] * 2


def test_two_janitors_add_the_same_day(connection: Connection, other: Connection) -> None:
    day = date(2100, 1, 1)
    with ThreadPoolExecutor(1) as background, connection.transaction():
        assert value(connection, ADD, day) is True
        answer = background.submit(value, other, ADD, day)
        wait_until_blocked(connection, other.info.backend_pid)
    assert answer.result() is False


def test_adding_gives_up_on_a_locked_table(connection: Connection, other: Connection) -> None:
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job_done_default")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            value(connection, ADD, date(2100, 1, 1))
    assert value(connection, ADD, date(2100, 1, 1)) is True


def test_days_that_nobody_keeps_are_dropped(connection: Connection) -> None:
    first = today(connection)
    for days in (6, 7, 8, 30):
        value(connection, ADD, first - timedelta(days=days))
    assert value(connection, DROP) == 2
    oldest = values(connection, PARTITIONS)[:2]
    assert oldest == [partition(first - timedelta(days=days)) for days in (7, 6)]


def test_the_longest_keeping_queue_decides(connection: Connection) -> None:
    value(connection, ADD, today(connection) - timedelta(days=8))
    connection.execute("INSERT INTO pgqueue.queue (name, keep_succeeded) VALUES ('a', '9 days')")
    assert value(connection, DROP) == 0
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL WHERE name = 'a'")
    assert value(connection, DROP) == 1


def test_two_janitors_drop_the_same_day(connection: Connection, other: Connection) -> None:
    value(connection, ADD, date(2000, 1, 1))
    with ThreadPoolExecutor(1) as background, connection.transaction():
        assert value(connection, DROP) == 1
        answer = background.submit(value, other, DROP)
        wait_until_blocked(connection, other.info.backend_pid)
    assert answer.result() == 0


# Prune


def test_the_dead_go_by_the_rule_of_their_queue(connection: Connection) -> None:
    connection.execute("INSERT INTO pgqueue.queue (name, keep_dead) VALUES ('short', '1 day')")
    kept = [die(connection, 29), die(connection, 0, "short")]
    gone = [die(connection, 31), die(connection, 2, "short")]
    assert value(connection, PRUNE) >= 2
    assert [state(connection, id) for id in kept] == ["dead", "dead"]
    assert [state(connection, id) for id in gone] == [None, None]


def test_failures_go_with_their_jobs_when_they_are_old(connection: Connection) -> None:
    die(connection, 31)
    retried = die(connection, 31)
    young = die(connection, 1)
    value(connection, "SELECT pgqueue.retry(%s)", retried)
    assert value(connection, PRUNE) == 2
    left = values(connection, "SELECT job_id FROM pgqueue.failure ORDER BY job_id")
    assert left == [retried, young]


def test_prune_takes_at_most_max_rows_of_each(connection: Connection) -> None:
    for _ in range(3):
        die(connection, 31)
    assert value(connection, "SELECT pgqueue.prune(2)") == 4
    assert len(rows(connection, "SELECT FROM pgqueue.job_dead")) == 1


def test_old_rows_of_the_default_partition_go(connection: Connection) -> None:
    now = value(connection, "SELECT now()")
    old = done_at(connection, now - timedelta(days=8))
    kept = done_at(connection, now - timedelta(days=6))
    assert value(connection, PRUNE) == 1
    assert [state(connection, id) for id in (old, kept)] == [None, "succeeded"]


def test_live_jobs_are_never_pruned(connection: Connection) -> None:
    id = enqueue(connection, run_at="2000-01-01")
    connection.execute("UPDATE pgqueue.job SET enqueued_at = '2000-01-01'")
    assert value(connection, PRUNE) == 0
    assert state(connection, id) == "queued"
