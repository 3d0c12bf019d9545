"""Limits and turns hold while workers are killed, by what handlers wrote down."""

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.jobs import Connection, enqueue, rows, value, values
from tests.support.oracle import assert_exactly_once
from tests.support.process import StartWorker, WorkerProcess
from tests.support.waiting import eventually

SPANS = """
    SELECT s.job_id, s.at AS began,
           coalesce(least(e.at, CASE WHEN f.id IS NULL THEN k.at END), s.at) AS ended
    FROM oracle.start s
    LEFT JOIN oracle.effect e ON e.job_id = s.job_id AND e.lease = s.lease
    LEFT JOIN oracle.killed k ON k.pid = s.pid
    LEFT JOIN pgqueue.failures f
        ON f.job_id = s.job_id AND f.attempt = s.attempt AND f.error_type = 'ValueError'
    ORDER BY s.at
"""
"""When each attempt began, and when it ended: with its effect, with its process, or at once."""
PATIENT = {"concurrency": 6, "heartbeat": 0.5, "lease": 4.0}
"""A worker on a busy machine keeps its leases, so that jobs overlap by no fault of its own."""
KILLED = "INSERT INTO oracle.killed VALUES (%s, clock_timestamp())"


@pytest.fixture
def spans(oracle: Connection) -> Connection:
    oracle.execute("CREATE TABLE oracle.killed (pid int, at timestamptz)")
    return oracle


def kill_now_and_then(
    connection: Connection, start_worker: StartWorker, *, workers: int, seconds: float
) -> Iterator[list[WorkerProcess]]:
    """While jobs are left: kill a worker at random, and start another in its place."""
    running = [start_worker(**PATIENT) for _ in range(workers)]
    dice = random.Random(7)
    deadline = time.monotonic() + seconds
    while value(connection, "SELECT count(*) FROM pgqueue.job") and time.monotonic() < deadline:
        victim = dice.choice(running)
        victim.registered(connection)
        pause = time.monotonic() + dice.uniform(0.2, 1.5)
        while time.monotonic() < pause:
            yield running
        victim.kill()
        connection.execute(KILLED, [victim.pid])
        running[running.index(victim)] = start_worker(**PATIENT)


def most_at_once(found: list[dict[str, Any]]) -> int:
    """The largest number of spans that share an instant."""
    edges = sorted([(span["began"], 1) for span in found] + [(span["ended"], -1) for span in found])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


@pytest.mark.slow
def test_a_limit_holds_at_every_instant(spans: Connection, start_worker: StartWorker) -> None:
    spans.execute("SELECT pgqueue.set_limit('stripe', concurrency => 3)")
    total = 150
    for _ in range(total):
        enqueue(
            spans,
            "effect_in_thread",
            args={"seconds": 0.1},
            flow={"limits": ["stripe"]},
            max_attempts=100,
        )
    for _ in kill_now_and_then(spans, start_worker, workers=3, seconds=25):
        held = "SELECT count(*) FROM pgqueue.job WHERE lease IS NOT NULL"
        assert value(spans, held) <= 3
    eventually(lambda: value(spans, "SELECT count(*) FROM pgqueue.job") == 0, within=60)
    assert_exactly_once(spans, total)
    assert 2 <= most_at_once(rows(spans, SPANS)) <= 3
    eventually(lambda: values(spans, "SELECT bucket FROM pgqueue.slot") == [], what="none leaks")
    eventually(lambda: values(spans, "SELECT job_id FROM pgqueue.gate") == [], what="none stays")


@pytest.mark.slow
def test_a_rate_holds_in_every_window(spans: Connection, start_worker: StartWorker) -> None:
    spans.execute("CREATE TABLE oracle.claimed (at timestamptz DEFAULT clock_timestamp())")
    spans.execute("""
        CREATE FUNCTION oracle.note() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO oracle.claimed DEFAULT VALUES; RETURN NULL; END'
    """)
    spans.execute("""
        CREATE TRIGGER note AFTER UPDATE OF lease ON pgqueue.job FOR EACH ROW
        WHEN (NEW.lease IS NOT NULL AND OLD.lease IS NULL) EXECUTE FUNCTION oracle.note()
    """)
    rule = "rate => 20, per => '2 seconds', sliding => true"
    spans.execute(f"SELECT pgqueue.set_limit('api', {rule})".encode())
    total = 120
    for _ in range(total):
        enqueue(
            spans,
            "effect_in_thread",
            args={"seconds": 0.02},
            flow={"limits": ["api"]},
            max_attempts=100,
        )
    for _ in kill_now_and_then(spans, start_worker, workers=3, seconds=25):
        time.sleep(0.01)
    eventually(lambda: value(spans, "SELECT count(*) FROM pgqueue.job") == 0, within=60)
    assert_exactly_once(spans, total)
    at = values(spans, "SELECT at FROM oracle.claimed ORDER BY at")
    assert len(at) >= total
    # A claim is written down some moments after its token was taken.
    assert all((later - at[n]).total_seconds() > 2 - 0.5 for n, later in enumerate(at[20:]))


@pytest.mark.slow
def test_jobs_of_a_key_keep_their_order(spans: Connection, start_worker: StartWorker) -> None:
    keys: dict[int, str] = {}
    for number in range(120):
        key = f"key {number % 4}"
        id = enqueue(
            spans,
            "flaky",
            args={"seconds": 0.03, "fails": int(number % 7 == 0)},
            flow={"order_key": key},
            max_attempts=100,
        )
        keys[id] = key
    for _ in kill_now_and_then(spans, start_worker, workers=2, seconds=25):
        time.sleep(0.01)
    eventually(lambda: value(spans, "SELECT count(*) FROM pgqueue.job") == 0, within=60)
    assert_exactly_once(spans, 120)
    done = values(spans, "SELECT job_id FROM oracle.effect ORDER BY at")
    found = rows(spans, SPANS)
    for key in set(keys.values()):
        mine = [id for id in done if keys[id] == key]
        assert mine == sorted(mine)
        began = [span["job_id"] for span in found if keys[span["job_id"]] == key]
        assert began == sorted(began)
        assert most_at_once([span for span in found if keys[span["job_id"]] == key]) == 1
