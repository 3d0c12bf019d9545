"""pgqueue.metrics says what is there, up to a bound, without reading whole tables."""

from typing import Any

import psycopg

from tests.support.jobs import claim, complete, enqueue, expire, register, rows, value

Connection = psycopg.Connection[Any]


def metrics(
    connection: Connection, *bounds: int
) -> dict[tuple[str, str | None, str | None], float]:
    """Every value by metric, label and state."""
    marks = ", ".join(["%s"] * len(bounds))
    found = rows(connection, f"SELECT * FROM pgqueue.metrics({marks})", *bounds)
    keyed = {(row["metric"], row["label"], row["state"]): row["value"] for row in found}
    assert len(keyed) == len(found), "a series came twice"
    return keyed


def test_every_state_is_counted(connection: Connection) -> None:
    worker = register(connection)
    for priority in (-3, 0, 7):
        enqueue(connection, priority=priority)
        enqueue(connection, priority=priority)
    claim(connection, worker, 2)
    connection.execute("SELECT pgqueue.enqueue('t', run_at => now() + interval '1 hour')")
    connection.execute("SELECT pgqueue.enqueue('t', run_at => now() + interval '2 hours')")
    connection.execute(
        "UPDATE pgqueue.job SET attempt = 1 WHERE run_at > now() + interval '90 min'"
    )
    connection.execute("""SELECT pgqueue.enqueue('t', flow => '{"order_key": "k"}')""")
    dying = enqueue(connection, "dies", queue="other", max_attempts=1)
    expire(connection, register(connection, name="lost"))
    connection.execute("SELECT pgqueue.bury(%s, NULL, 'dead', 'no')", [dying])
    found = metrics(connection)
    states = ("queued", "running", "scheduled", "retrying", "blocked")
    assert [found["jobs", "default", state] for state in states] == [4, 2, 1, 1, 1]
    assert found["jobs", "other", "dead"] == 1
    assert found["queue_workers", "default", None] == 1
    assert found["schema_version", None, None] == 1
    assert found["table_dead_tuples", "job", None] >= 0
    stats = rows(connection, "SELECT * FROM pgqueue.queue_stats WHERE queue = 'default'")[0]
    assert [stats[state] for state in states] == [4, 2, 1, 1, 1]


def test_who_takes_no_jobs_serves_no_queue(connection: Connection) -> None:
    """The view, the metrics and so the alerts say the same."""
    register(connection, name="serves")
    leaving = register(connection, name="leaves")
    connection.execute("UPDATE pgqueue.worker SET draining_at = now() WHERE id = %s", [leaving])
    assert metrics(connection)["queue_workers", "default", None] == 1
    stats = "SELECT workers FROM pgqueue.queue_stats WHERE queue = 'default'"
    assert rows(connection, stats) == [{"workers": 1}]


def test_the_age_is_that_of_who_waits_longest(connection: Connection) -> None:
    assert metrics(connection)["queue_oldest_ready_age_seconds", "default", None] == 0
    enqueue(connection, priority=5)
    old = enqueue(connection, priority=-5)
    past = "now() - interval '1 hour'"
    query = f"UPDATE pgqueue.job SET run_at = {past}, enqueued_at = {past} WHERE id = %s"
    connection.execute(query.encode(), [old])
    age = metrics(connection)["queue_oldest_ready_age_seconds", "default", None]
    assert 3600 <= age < 3700
    connection.execute("UPDATE pgqueue.job SET worker_id = 1, lease = 1 WHERE id = %s", [old])
    assert metrics(connection)["queue_oldest_ready_age_seconds", "default", None] < 3600


def test_what_operators_decided(connection: Connection) -> None:
    found = metrics(connection)
    assert found["queue_paused", "default", None] == 0
    assert ("queue_limit", "default", None) not in found
    connection.execute("SELECT pgqueue.pause_queue('default', 'why')")
    connection.execute("SELECT pgqueue.set_limit('queue', concurrency => 9)")
    assert metrics(connection)["queue_limit", "default", None] == 9
    connection.execute("SELECT pgqueue.set_limit('queue:default', concurrency => 4)")
    found = metrics(connection)
    assert found["queue_paused", "default", None] == 1
    assert found["queue_limit", "default", None] == 4


def test_schedules(connection: Connection) -> None:
    worker = register(connection)
    connection.execute("SELECT pgqueue.put_schedule('nightly', 't', cron => '0 3 * * *')")
    connection.execute("UPDATE pgqueue.schedule SET next_at = to_timestamp(4102444800)")
    assert metrics(connection)["cron_next_tick_timestamp_seconds", "nightly", None] == 4102444800
    assert ("cron_last_success_timestamp_seconds", "nightly", None) not in metrics(connection)
    job = enqueue(connection)
    tick = "INSERT INTO pgqueue.tick (schedule, tick, job_id) VALUES ('nightly', now(), %s)"
    connection.execute(tick, [job])
    complete(connection, *claim(connection, worker))
    finished = value(
        connection, "SELECT extract(epoch FROM finished_at)::float FROM pgqueue.job_done"
    )
    found = metrics(connection)
    assert found["cron_last_success_timestamp_seconds", "nightly", None] == finished
    connection.execute("SELECT pgqueue.pause_schedule('nightly')")
    assert ("cron_next_tick_timestamp_seconds", "nightly", None) not in metrics(connection)


def test_counts_end_at_the_bound(connection: Connection) -> None:
    connection.execute("SELECT pgqueue.enqueue('t') FROM generate_series(1, 300)")
    assert metrics(connection, 100, 50)["jobs", "default", "queued"] == 50
    assert metrics(connection)["jobs", "default", "queued"] == 300


def test_ten_thousand_queues_have_a_bounded_number_of_series(connection: Connection) -> None:
    connection.execute(
        "SELECT pgqueue.enqueue('t', queue => 'q' || i) FROM generate_series(1, 10000) i"
    )
    found = metrics(connection)
    assert len(found) < 800
    assert len({label for name, label, _ in found if name == "jobs" and label is not None}) == 100
    queued = {label: count for (name, label, state), count in found.items() if state == "queued"}
    assert sum(queued.values()) == 10_000
    assert queued[None] == 10_000 - 99  # "default" is one of the 100, and has none


def test_no_table_of_jobs_is_read_from_end_to_end(connection: Connection) -> None:
    """As many rows as there are bounds allow, and not as many as there are."""
    connection.execute("INSERT INTO pgqueue.job (task) SELECT 't' FROM generate_series(1, 20000)")
    connection.execute("VACUUM ANALYZE pgqueue.job")
    with connection.transaction():
        metrics(connection, 100, 100)
        inside = rows(
            connection,
            "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables "
            "WHERE schemaname = 'pgqueue' AND relname = 'job'",
        )[0]
    assert inside["seq_scan"] == 0
    assert inside["idx_tup_fetch"] < 1000
