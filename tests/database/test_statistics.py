"""How attempts ended, by minute and hour: counted once, added up by many, and read for charts."""

import random
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import DeadlockDetected, InvalidParameterValue, LockNotAvailable
from psycopg.types.json import Jsonb

from pgqueue.worker.recorder import BOUNDS
from tests.support import eventually, row, rows, value, values, wait_until_blocked

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
COUNT = "SELECT pgqueue.count_attempts(%s)"
ENDS = ("succeeded", "retried", "dead", "cancelled", "snoozed")
INSERT = """
    INSERT INTO pgqueue.statistic (span, at, queue, task, succeeded, dead, waits, runs)
    VALUES (%s::interval, %s, %s, %s, %s, %s, %s, %s)
"""


def histogram(*seconds: float) -> list[int]:
    """How many of these times are in each bucket."""
    counts = [0] * (len(BOUNDS) + 1)
    for each in seconds:
        counts[bisect_left(BOUNDS, each)] += 1
    return counts


def counted(task: str = "t", queue: str = "default", **counts: Any) -> dict[str, Any]:
    return {"queue": queue, "task": task, **counts}


def insert(
    connection: Connection,
    at: datetime,
    succeeded: int,
    *,
    span: str = "1 minute",
    queue: str = "default",
    task: str = "t",
    dead: int = 0,
    seconds: tuple[float, ...] = (),
) -> None:
    times = histogram(*seconds)
    connection.execute(INSERT, [span, at, queue, task, succeeded, dead, times, times])


def away_from_the_end_of_a_minute(connection: Connection) -> None:
    """So that what is written in the next seconds belongs to one minute."""
    second = "SELECT extract(second FROM clock_timestamp())"
    eventually(lambda: value(connection, second) < 50, within=20)


def now(connection: Connection) -> datetime:
    found = value(connection, "SELECT now()")
    assert isinstance(found, datetime)
    return found


# Counting


def test_the_bounds_are_those_of_workers(connection: Connection) -> None:
    assert value(connection, "SELECT pgqueue.histogram_bounds()") == pytest.approx(BOUNDS)


def test_a_batch_is_added_to_the_minute_and_the_hour(connection: Connection) -> None:
    away_from_the_end_of_a_minute(connection)
    first = counted(
        succeeded=2,
        retried=1,
        wait_seconds=0.5,
        run_seconds=3.0,
        waits=histogram(0.1, 0.2, 0.2),
        runs=histogram(1, 1, 1),
    )
    second = counted(succeeded=1, dead=4, cancelled=5, snoozed=6, waits=histogram(0.1))
    assert value(connection, COUNT, Jsonb([first, counted("other", dead=1)])) == 4
    assert value(connection, COUNT, Jsonb([second])) == 2
    found = rows(connection, "SELECT * FROM pgqueue.statistic WHERE task = 't' ORDER BY span")
    assert [each["span"] for each in found] == [timedelta(minutes=1), timedelta(hours=1)]
    for each in found:
        assert [each[name] for name in ENDS] == [3, 1, 4, 5, 6]
        assert (each["wait_seconds"], each["run_seconds"]) == (0.5, 3.0)
        assert each["waits"] == histogram(0.1, 0.2, 0.2, 0.1)
        assert each["runs"] == histogram(1, 1, 1)
        time = now(connection)
        assert each["at"] <= time < each["at"] + each["span"]
    assert found[0]["at"].second == found[1]["at"].minute == 0


def test_two_workers_cannot_lock_each_other_out(
    connection: Connection, other: Connection, guard: Guard
) -> None:
    order = 'ORDER BY span.length, c.queue COLLATE "C", c.task COLLATE "C"'
    guarded = guard("count_attempts", order)
    away_from_the_end_of_a_minute(connection)
    connection.execute(COUNT, [Jsonb([counted("a", dead=1), counted("b", dead=1)])])
    lock = "SELECT FROM pgqueue.statistic WHERE span = '1 minute' AND task = %s FOR UPDATE"
    connection.execute("SET lock_timeout = '500ms'")
    with ThreadPoolExecutor(1) as pool:
        with connection.transaction():
            connection.execute(lock, ["a"])
            batch = Jsonb([counted("b", dead=1), counted("a", dead=1)])
            counting = pool.submit(other.execute, COUNT, [batch])
            wait_until_blocked(connection, other.info.backend_pid)
            if guarded:
                connection.execute(lock, ["b"])
            else:
                with (
                    pytest.raises((LockNotAvailable, DeadlockDetected)),
                    connection.transaction(),
                ):
                    connection.execute(lock, ["b"])
        counting.result(10)


def test_many_workers_lose_nothing(connect: Callable[..., Connection]) -> None:
    def work(number: int) -> None:
        connection = connect()
        shuffled = [counted(f"t{n}", succeeded=1, runs=histogram(n)) for n in range(8)]
        random.Random(number).shuffle(shuffled)
        for _ in range(20):
            connection.execute(COUNT, [Jsonb(shuffled)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    query = "SELECT span, sum(succeeded) AS n FROM pgqueue.statistic GROUP BY span ORDER BY span"
    assert [each["n"] for each in rows(connect(), query)] == [640, 640]


# Percentiles


@pytest.mark.parametrize("seed", range(5))
def test_a_percentile_is_right_to_a_factor_of_two(connection: Connection, seed: int) -> None:
    rng = random.Random(seed)
    times = sorted(rng.lognormvariate(-2, 2) + 0.001 for _ in range(1_000))
    parts = [0.1, 0.5, 0.95, 0.99]
    many = [histogram(*times[n::3]) for n in range(3)]
    found = value(connection, "SELECT pgqueue.percentiles(%s, %s)", many, parts)
    for part, estimate in zip(parts, found, strict=True):
        exact = times[round(part * len(times)) - 1]
        assert exact / 2 <= estimate <= exact * 2, (part, exact, estimate)


def test_percentiles_at_the_ends(connection: Connection) -> None:
    percentiles = "SELECT pgqueue.percentiles(%s::bigint[], '{0.5}')"
    assert value(connection, percentiles, histogram()) == [None]
    assert value(connection, percentiles, None) == [None]
    assert 0 < value(connection, percentiles, histogram(0.0, 0.0))[0] <= 0.001
    assert value(connection, percentiles, histogram(1e6)) == [BOUNDS[-1]]


# Charts

HISTORY = "SELECT * FROM pgqueue.history(%s, %s, step => %s::interval, queue => %s, task => %s)"
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_history_has_a_row_for_each_step(connection: Connection) -> None:
    insert(connection, NOON + MINUTE, 2, seconds=(0.1, 0.1))
    insert(connection, NOON + MINUTE, 3, queue="mail", task="send", seconds=(1.5,))
    insert(connection, NOON + 3 * MINUTE, 9)
    span = [NOON + timedelta(seconds=20), NOON + 3 * MINUTE]
    found = rows(connection, HISTORY, *span, "1 minute", None, None)
    assert [each["at"] for each in found] == [NOON + n * MINUTE for n in range(3)]
    assert [each["succeeded"] for each in found] == [0, 5, 0]
    assert [each["run_p50"] is None for each in found] == [True, False, True]
    assert 0.064 < found[1]["run_p50"] <= 0.128
    assert 1.024 < found[1]["wait_p99"] <= 2.048
    assert set(found[0]) == {
        "at",
        *ENDS,
        *(f"{w}_p{p}" for w in ("wait", "run") for p in (50, 95, 99)),
    }
    for queue, task, expected in (("mail", None, 3), (None, "t", 2), ("mail", "t", 0)):
        found = rows(connection, HISTORY, *span, "1 minute", queue, task)
        assert sum(each["succeeded"] for each in found) == expected
    (both,) = rows(connection, HISTORY, NOON, NOON + 5 * MINUTE, "5 minutes", None, None)
    assert (both["at"], both["succeeded"]) == (NOON, 14)


def test_long_steps_read_hours(connection: Connection) -> None:
    insert(connection, NOON, 100, span="1 hour")
    insert(connection, NOON, 7)
    (hour,) = rows(connection, HISTORY, NOON, NOON + 60 * MINUTE, "1 hour", None, None)
    (half,) = rows(connection, HISTORY, NOON, NOON + 30 * MINUTE, "30 minutes", None, None)
    assert (hour["succeeded"], half["succeeded"]) == (100, 7)


@pytest.mark.parametrize("function", ["history", "depths"])
def test_charts_have_bounds(connection: Connection, function: str) -> None:
    query = f"SELECT * FROM pgqueue.{function}(now() - %s::interval, step => %s::interval)"
    for since, step in (("1 hour", "59 s"), ("1 hour", None), ("1 hour", "0"), ("8 days", "1 min")):
        with pytest.raises(InvalidParameterValue, match="pgqueue: "):
            connection.execute(query.encode(), [since, step])
    assert rows(connection, query, "-1 hour", "1 min") == []


def test_totals_count_each_attempt_once(connection: Connection) -> None:
    """Hours, and the minutes before the first whole one."""
    hour = value(connection, "SELECT date_trunc('hour', now()) - interval '3 hours'")
    for ahead, number in ((1, 1_000), (2, 2_000), (3, 4_000)):
        insert(connection, hour + ahead * 60 * MINUTE, number, span="1 hour", seconds=(0.1,))
    insert(connection, hour, 99_999, span="1 hour")
    for ahead, number in ((29, 10_000), (30, 1), (59, 2), (61, 50_000), (121, 50_000)):
        insert(connection, hour + ahead * MINUTE, number, dead=number)
    insert(connection, hour + 35 * MINUTE, 20, queue="mail", task="send")
    since = hour + 30 * MINUTE
    found = rows(connection, "SELECT * FROM pgqueue.task_statistics(%s)", since)
    assert [(each["queue"], each["task"], each["succeeded"], each["dead"]) for each in found] == [
        ("default", "t", 7_003, 3),
        ("mail", "send", 20, 0),
    ]
    assert 0.064 < found[0]["run_p50"] <= found[0]["run_p95"] <= found[0]["run_p99"] <= 0.128
    found = rows(connection, "SELECT * FROM pgqueue.queue_statistics(%s)", since)
    assert [(each["queue"], each["succeeded"]) for each in found] == [
        ("default", 7_003),
        ("mail", 20),
    ]
    assert 0.064 < found[0]["wait_p95"] <= 0.128
    week = "SELECT sum(succeeded) FROM pgqueue.task_statistics(now() - interval '7 days')"
    assert value(connection, week) == 99_999 + 7_000


# What is kept


def test_what_is_past_its_time_goes(connection: Connection) -> None:
    time = now(connection)
    for hours in (24, 26):
        insert(connection, time - timedelta(hours=hours), 1)
    for days in (30, 32):
        insert(connection, time - timedelta(days=days), 1, span="1 hour")
    for days in (7, 9):
        sample = "INSERT INTO pgqueue.queue_sample (at, queue) VALUES (%s, 'default')"
        connection.execute(sample, [time - timedelta(days=days)])
    assert value(connection, "SELECT pgqueue.prune()") == 3
    kept = (
        "SELECT now() - at < CASE span WHEN '1 hour' THEN '31 days' ELSE '25 hours'::interval END"
    )
    assert values(connection, f"{kept} FROM pgqueue.statistic") == [True, True]
    assert row(connection, "SELECT count(*) AS n FROM pgqueue.queue_sample") == {"n": 1}
