"""How deep the queues are: noted once a minute by whoever comes first, and bounded."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import claim, claim_gated, enqueue, register, row, rows, value

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
SAMPLE = "SELECT pgqueue.sample()"
SAMPLES = "SELECT queue, queued, running FROM pgqueue.queue_sample ORDER BY queue"
EARLIER = "UPDATE pgqueue.queue_sample SET at = at - interval '1 minute'"
LOOK = "SELECT running, oldest FROM pgqueue.look_at_line('default', %s)"


def test_it_has_what_waits_and_what_runs(connection: Connection) -> None:
    register(connection, queues=["default", "idle"])
    for priority in (5, 0, 0, -5):
        enqueue(connection, priority=priority)
    enqueue(connection, run_at="2999-01-01Z")
    enqueue(connection, queue="unserved")
    connection.execute(
        "UPDATE pgqueue.job SET enqueued_at = now() - interval '1 hour', "
        "run_at = now() - interval '1 hour' WHERE priority = -5"
    )
    claim(connection, register(connection), 2)
    assert value(connection, SAMPLE) == 3
    assert rows(connection, SAMPLES) == [
        {"queue": "default", "queued": 2, "running": 2},
        {"queue": "idle", "queued": 0, "running": 0},
        {"queue": "unserved", "queued": 1, "running": 0},
    ]
    oldest = "SELECT oldest_seconds FROM pgqueue.queue_sample WHERE queue = %s"
    assert 3600 <= value(connection, oldest, "default") < 3700
    assert value(connection, oldest, "idle") == 0


def test_who_comes_second_in_a_minute_looks_at_nothing(
    connection: Connection, guard: Guard
) -> None:
    """The rows that the first has made stay as they are."""
    upsert = "DO UPDATE SET at = excluded.at"
    guarded = guard("sample", "DO NOTHING", upsert)
    connection.execute(SAMPLE)
    enqueue(connection)
    again = value(connection, SAMPLE)
    if row(connection, "SELECT count(*) AS n FROM pgqueue.queue_sample")["n"] == 2:
        pytest.skip("the minute ended in between")
    assert (again == 0) is guarded
    assert (rows(connection, SAMPLES)[0]["queued"] == 0) is guarded


def test_a_job_of_the_next_moment_has_not_waited(connection: Connection, guard: Guard) -> None:
    """Its transaction began after that of the sample, which sees it nevertheless."""
    guarded = guard("sample", "greatest(coalesce", "coalesce(coalesce")
    enqueue(connection)
    connection.execute("UPDATE pgqueue.job SET enqueued_at = now() + interval '1 minute'")
    connection.execute(SAMPLE)
    waited = value(connection, "SELECT oldest_seconds FROM pgqueue.queue_sample")
    assert (waited == 0) is guarded


def test_counts_end_at_ten_thousand(connection: Connection, guard: Guard) -> None:
    """Each priority is looked at that far, so together there may be more."""
    guarded = guard("sample", "least(line.running, 10000)", "line.running")
    fill = """
        INSERT INTO pgqueue.job (task, priority, lease, worker_id, attempt)
        SELECT 't', n %% 2, n, %s, 1 FROM generate_series(1, 10001) AS n
    """
    connection.execute(fill, [register(connection)])
    connection.execute(SAMPLE)
    found = rows(connection, SAMPLES)
    assert [each["running"] for each in found] == [10_000 if guarded else 10_001]


def test_jobs_at_the_gate_are_counted(connection: Connection) -> None:
    jobs = [{"task": "t", "flow": {"fair_key": "a"}}] * 5
    connection.execute("SELECT pgqueue.enqueue_many(%s)", [Jsonb(jobs)])
    claim_gated(connection, register(connection), 2)
    assert row(connection, LOOK, 100)["running"] == 2
    assert row(connection, LOOK, 1)["running"] == 2  # workers bound what runs


@pytest.mark.parametrize("most", [10, 10_000])
def test_a_look_at_a_long_line_has_an_end(connection: Connection, most: int) -> None:
    fill = "INSERT INTO pgqueue.job (task) SELECT 't' FROM generate_series(1, 30000)"
    connection.execute(fill)
    connection.execute("ANALYZE pgqueue.job")
    worker = register(connection)
    claim(connection, worker, 20)
    read = "SELECT idx_tup_fetch AS n FROM pg_stat_xact_user_tables WHERE relname = 'job'"
    with connection.transaction():
        found = row(connection, LOOK, most)
        fetched = row(connection, read)["n"]
    assert found["running"] == min(20, most)
    assert (found["oldest"] is None) is (most == 10)
    assert fetched <= 2 * most + 100


def test_a_sample_reads_by_index(connection: Connection) -> None:
    for queue in ("a", "b", "c"):
        fill = "INSERT INTO pgqueue.job (task, queue) SELECT 't', %s FROM generate_series(1, 5000)"
        connection.execute(fill, [queue])
    fill = "INSERT INTO pgqueue.job (task, queue, ready_xid, blocked) SELECT 't', %s, NULL, true "
    for queue in ("a", "gated", "gated too"):
        connection.execute(fill + "FROM generate_series(1, 5000)", [queue])
    connection.execute("ANALYZE pgqueue.job")
    scans = "SELECT seq_scan AS n FROM pg_stat_xact_user_tables WHERE relname = 'job'"
    names = "SELECT name FROM pgqueue.queue_names() AS name ORDER BY 1"
    fetched = "SELECT idx_tup_fetch AS n FROM pg_stat_xact_user_tables WHERE relname = 'job'"
    with connection.transaction():
        found = [each["name"] for each in rows(connection, names)]
        assert found == ["a", "b", "c", "default", "gated", "gated too"]
        assert row(connection, fetched)["n"] <= 20
        assert value(connection, SAMPLE) == 6
        assert row(connection, scans)["n"] == 0


def test_depths_are_the_most_of_each_step(connection: Connection) -> None:
    insert = """
        INSERT INTO pgqueue.queue_sample VALUES
        ('2026-05-04 12:00Z', 'a', 5, 1, 10), ('2026-05-04 12:00Z', 'b', 7, 0, 3),
        ('2026-05-04 12:01Z', 'a', 9, 2, 70), ('2026-05-04 12:01Z', 'b', 1, 0, 1),
        ('2026-05-04 12:07Z', 'a', 1, 0, 0)
    """
    connection.execute(insert)
    depths = """
        SELECT to_char(at AT TIME ZONE 'UTC', 'MI') AS at, queued, running, oldest_seconds
        FROM pgqueue.depths('2026-05-04 12:00Z', '2026-05-04 12:30Z', %s::interval, %s)
    """
    found = [tuple(each.values()) for each in rows(connection, depths, "5 minutes", None)]
    assert found == [("00", 12, 2, 70.0), ("05", 1, 0, 0.0)]
    found = [tuple(each.values()) for each in rows(connection, depths, "1 minute", "b")]
    assert found == [("00", 7, 0, 3.0), ("01", 1, 0, 1.0)]
