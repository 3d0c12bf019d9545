"""Every look-up of why() is answered from indexes, however many jobs there are."""

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support import claim_gated, enqueue, register, rows, value, values
from tests.support.scanning import cost

from .test_plans import plans

__all__ = ["plans"]

Connection = psycopg.Connection[Any]
MANY = 30_000
LARGE = r"(job|job_dead|job_done\w*|failure|gate|slot|bucket|rated_start|share)"
WHOLE = re.compile(rf"(Seq|Bitmap Heap) Scan on {LARGE}( \w+)?  \(")
FILL = (
    # In line, and in line before everybody; waiting for their time; at the gate.
    "INSERT INTO pgqueue.job (task) SELECT 't' FROM generate_series(1, %s)",
    "INSERT INTO pgqueue.job (task, priority) SELECT 't', 9 FROM generate_series(1, %s)",
    """
    INSERT INTO pgqueue.job (task, ready_xid, run_at)
    SELECT 't', NULL, '2100-01-01' FROM generate_series(1, %s)
    """,
    """
    WITH gated AS (
        INSERT INTO pgqueue.job (task, ready_xid, blocked, flow)
        SELECT 't', NULL, true,
               jsonb_build_object(
                   'order_key', 'k', 'fair_key', 'a' || i %% 2, 'limits', '{"x": 1}'::jsonb)
        FROM generate_series(1, %s) AS i RETURNING id
    ), ids AS (SELECT array_agg(id) AS ids FROM gated)
    SELECT ids FROM ids
    """,
)
OVER = """
    INSERT INTO pgqueue.job_done (id, run_at, enqueued_at, finished_at, priority, attempt,
                                  max_attempts, queue, task, args)
    SELECT i, now(), now(), now(), 0, 1, 1, 'default', 't', '{}' FROM generate_series(-%s, -1) AS i
"""
DEAD = """
    INSERT INTO pgqueue.job_dead (id, state, run_at, enqueued_at, priority, attempt, max_attempts,
                                  queue, task, args)
    SELECT i, 'dead', now(), now(), 0, 1, 1, 'default', 't', '{}'
    FROM generate_series(-2 * %s, -%s - 1) AS i
"""
FAILED = """
    INSERT INTO pgqueue.failure (job_id, attempt, queue, task, error_type, message, fingerprint)
    SELECT i, 1, 'default', 't', 'E', 'm', 'E' FROM generate_series(1, %s) AS i
"""


@pytest.fixture
def crowd(connection: Connection) -> dict[str, int]:
    """Many jobs in every place, and one of each to ask for, by what it waits for."""
    connection.execute("SELECT pgqueue.set_limit('x', concurrency => 1)")
    worker = register(connection, lease_for="1 hour")
    ids = {"running": enqueue(connection, flow={"order_key": "k", "limits": ["x"]})}
    assert len(claim_gated(connection, worker)) == 1
    for fill in FILL:
        cursor = connection.execute(fill.encode(), [MANY])
        if cursor.description:
            found = cursor.fetchone()
            assert found is not None
            connection.execute("SELECT pgqueue.line_up(%s)", found)
    connection.execute(OVER, [MANY])
    connection.execute(DEAD, [MANY, MANY])
    connection.execute(FAILED, [MANY])
    connection.execute(
        """
        UPDATE pgqueue.gate SET state = 'closed', blocker = 'x'
        WHERE state = 'open' AND job_id % 4 < 2
        """
    )
    connection.execute("ANALYZE")
    query = "SELECT max(id) FROM pgqueue.job WHERE {}"
    for what, condition in {
        "line": "ready_xid IS NOT NULL AND priority = 0",
        "time": "ready_xid IS NULL AND blocked IS NULL",
        "open": "id = (SELECT max(job_id) FROM pgqueue.gate WHERE state = 'open')",
        "closed": "id = (SELECT max(job_id) FROM pgqueue.gate WHERE state = 'closed')",
    }.items():
        ids[what] = value(connection, query.format(condition))
    return ids | {"done": -1, "dead": -MANY - 1, "gone": 10**9}


def test_no_look_up_reads_a_table_whole(
    connection: Connection, plans: Callable[[], list[str]], crowd: dict[str, int]
) -> None:
    explained = []
    connection.add_notice_handler(lambda notice: explained.append(notice.message_primary or ""))
    for id in crowd.values():
        for _ in range(7):
            rows(connection, "SELECT * FROM pgqueue.reasons(%s)", id)
    assert any("on gate" in plan for plan in explained)
    for plan in explained:
        assert not WHOLE.search(plan), plan


def test_it_reads_little(connection: Connection, crowd: dict[str, int]) -> None:
    """Some thousand rows at most, where a count has to go that far."""
    said = {
        what: values(connection, "SELECT code FROM pgqueue.reasons(%s)", id)
        for what, id in crowd.items()
    }
    assert said == {
        "running": ["running"],
        "line": ["turn"],
        "time": ["scheduled"],
        "open": ["order", "limit", "fair_share"],
        "closed": ["order", "limit", "fair_share"],
        "done": ["succeeded"],
        "dead": ["dead"],
        "gone": ["never_enqueued"],
    }
    for what, id in crowd.items():
        pages = cost(connection, "SELECT * FROM pgqueue.reasons(%s)", id).buffers
        assert pages < (15_000 if what in ("line", "open", "closed") else 500), (what, pages)
