"""What people look at again and again: figures up to a bound, and tasks that workers pass over."""

import pytest

from tests.support.jobs import Connection, claim_gated, enqueue, register, rows
from tests.support.states import one_of_each

FIGURES = ("queued", "running", "scheduled", "retrying", "blocked", "dead")
READS = """
SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables
WHERE schemaname = 'pgqueue' AND relname = 'job'
"""


def test_small_tables_are_counted_exactly(connection: Connection) -> None:
    one_of_each(connection)
    enqueue(connection, queue="later", run_at="2030-01-01")
    enqueue(connection, queue="gated", flow={"order_key": "k"})
    enqueue(connection, queue="high", priority=10)
    connection.execute("SELECT pgqueue.pause_queue('mail', 'SMTP is down', 'ada')")
    exact = rows(connection, "SELECT * FROM pgqueue.queue_stats ORDER BY queue")
    found = rows(connection, "SELECT * FROM pgqueue.count_queues() ORDER BY queue")
    assert [row.pop("more") for row in found] == [[]] * len(found)
    assert found == exact
    (mail,) = rows(connection, "SELECT * FROM pgqueue.count_queues(queues => '{mail}')")
    assert mail["paused_by"] == "ada"


def test_counts_end_at_the_bound_and_say_so(connection: Connection) -> None:
    for _ in range(3):
        one_of_each(connection)
    (found,) = rows(connection, "SELECT * FROM pgqueue.count_queues(2)")
    assert [found[name] for name in FIGURES if name not in ("scheduled", "retrying")] == [2] * 4
    assert found["scheduled"] + found["retrying"] == 2
    assert found["more"] == list(FIGURES)


def test_dead_jobs_behind_many_cancelled_ones_are_not_said_to_be_none(
    connection: Connection,
) -> None:
    dying = enqueue(connection)
    connection.execute("SELECT pgqueue.bury(%s, NULL, 'dead', 'E')", [dying])
    for _ in range(20):
        connection.execute("SELECT pgqueue.cancel(%s)", [enqueue(connection)])
    (found,) = rows(connection, "SELECT * FROM pgqueue.count_queues(2)")
    assert (found["dead"], found["more"]) == (0, ["dead"])
    (found,) = rows(connection, "SELECT * FROM pgqueue.count_queues(3)")
    assert (found["dead"], found["more"]) == (1, [])


def test_what_runs_is_found_behind_what_waits_at_the_gate(connection: Connection) -> None:
    worker = register(connection)
    enqueue(connection, flow={"fair_key": "new"}, priority=5)
    assert len(claim_gated(connection, worker)) == 1
    for _ in range(5):
        enqueue(connection, flow={"fair_key": "old"})
    (found,) = rows(connection, "SELECT * FROM pgqueue.count_queues(2)")
    assert (found["running"], found["blocked"], found["more"]) == (1, 2, ["blocked"])


def test_tasks_that_no_worker_of_the_queue_knows(connection: Connection) -> None:
    register(connection, tasks=["known"])
    register(connection, queues=["mail"], tasks=["other"])
    for task in ("known", "other", "old"):
        enqueue(connection, task)
        enqueue(connection, task, flow={"fair_key": "a"})
        enqueue(connection, task, queue="unserved")
    found = rows(connection, "SELECT * FROM pgqueue.unknown_tasks()")
    assert found == [
        {"queue": "default", "task": "old", "jobs": 2},
        {"queue": "default", "task": "other", "jobs": 2},
    ]


@pytest.mark.parametrize("function", ["count_queues", "unknown_tasks"])
def test_no_table_of_jobs_is_read_from_end_to_end(connection: Connection, function: str) -> None:
    register(connection)
    connection.execute("INSERT INTO pgqueue.job (task) SELECT 't' FROM generate_series(1, 20000)")
    connection.execute(
        "INSERT INTO pgqueue.job (task, ready_xid, run_at) "
        "SELECT 't', NULL, now() + interval '1 day' FROM generate_series(1, 20000)"
    )
    connection.execute("VACUUM ANALYZE pgqueue.job")
    with connection.transaction():
        connection.execute(f"SELECT * FROM pgqueue.{function}(100)".encode())
        (inside,) = rows(connection, READS)
    assert inside["seq_scan"] == 0
    assert inside["idx_tup_fetch"] < 1000
