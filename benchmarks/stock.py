"""The jobs that a trial begins with: everything of the last one is gone, and new ones lie ready."""

from __future__ import annotations

import contextlib

import psycopg

from .errors import BenchmarkError
from .tasks import ARGS

EMPTY = """
TRUNCATE pgqueue.job, pgqueue.job_done, pgqueue.job_dead, pgqueue.failure,
         pgqueue.gate, pgqueue.slot, pgqueue.share, pgqueue.fair_line,
         pgqueue.look, pgqueue.pause, pgqueue.detour
"""
KEEP = "UPDATE pgqueue.queue SET keep_succeeded = %s::interval WHERE name = 'default'"
READY = """
INSERT INTO pgqueue.job (task, args, queue, priority)
SELECT %(task)s, %(args)s::jsonb, %(queue)s, i %% %(priorities)s
FROM generate_series(1, %(jobs)s) AS i
"""
SCHEDULED = """
INSERT INTO pgqueue.job (task, args, ready_xid, run_at)
SELECT 'noop', %s::jsonb, NULL, now() + interval '1 day' + i * interval '1 second'
FROM generate_series(1, %s) AS i
"""
WITH_FLOW = """
SELECT pgqueue.enqueue_many(chunk.jobs)
FROM (
    SELECT jsonb_agg(jsonb_build_object(
               'task', CAST(%(task)s AS text), 'args', CAST(%(args)s AS jsonb), 'flow', {flow},
               'tags', jsonb_build_array(split_part({flow} ->> 'fair_key', ' ', 1))
           ) ORDER BY i) AS jobs
    FROM generate_series(1, %(jobs)s) AS i
    GROUP BY i / 5000
    ORDER BY i / 5000
) AS chunk
"""
PARKED = """
WITH parked AS (
    INSERT INTO pgqueue.job (task, args, ready_xid, blocked, flow)
    SELECT 'parked', %(args)s::jsonb, NULL, true, '{"limits": {"parked": 1}}'
    FROM generate_series(1, %(jobs)s)
    RETURNING id, queue, task, priority
)
INSERT INTO pgqueue.gate (job_id, queue, task, priority, state, blocker, buckets, weights)
SELECT id, queue, task, priority, 'closed', %(blocker)s, '{parked}', '{1}' FROM parked
"""
LEFT = """
SELECT (SELECT count(*) FROM pgqueue.job), (SELECT count(lease) FROM pgqueue.job),
       (SELECT count(*) FROM pgqueue.job_done), (SELECT count(*) FROM pgqueue.job_dead),
       (SELECT min(error_type || ': ' || message) FROM pgqueue.failure)
"""


def empty(connection: psycopg.Connection, *, keep: bool = True) -> None:
    """No jobs. `keep`: whether the history of those to come is kept, as it is by default."""
    connection.execute(EMPTY)
    connection.execute(KEEP, ["7 days" if keep else None])


def stock(
    connection: psycopg.Connection,
    jobs: int,
    task: str = "noop",
    *,
    queue: str = "default",
    priorities: int = 1,
) -> None:
    """Jobs that are ready, spread over so many priorities."""
    connection.execute(
        READY,
        {"task": task, "args": ARGS, "queue": queue, "priorities": priorities, "jobs": jobs},
    )


def stock_with_flow(
    connection: psycopg.Connection, jobs: int, flow: str, task: str = "noop"
) -> None:
    """Jobs at the gate. `flow` is SQL for the options of the job with the number i."""
    query = WITH_FLOW.replace("{flow}", flow)
    connection.execute(query.encode(), {"task": task, "args": ARGS, "jobs": jobs})
    connection.execute("VACUUM ANALYZE pgqueue.gate")


def schedule(connection: psycopg.Connection, jobs: int) -> None:
    """Jobs for tomorrow."""
    connection.execute(SCHEDULED, [ARGS, jobs])


def park(connection: psycopg.Connection, jobs: int, blocker: str) -> None:
    """Jobs of the task "parked" that wait at the gate, closed for this reason."""
    connection.execute(PARKED, {"args": ARGS, "jobs": jobs, "blocker": blocker})
    connection.execute("VACUUM ANALYZE pgqueue.gate")


def settle(connection: psycopg.Connection, *, checkpoint: bool = True) -> None:
    """Vacuum, and let the server write now what it would write at some moment of the trial."""
    connection.execute("VACUUM ANALYZE pgqueue.job")
    if checkpoint:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("CHECKPOINT")


def check(connection: psycopg.Connection, *, left: int = 0, done: int | None = None) -> None:
    """Raise unless so many jobs are left, so many are in the history, and none is dead."""
    row = connection.execute(LEFT).fetchone()
    assert row is not None
    found, held, kept, dead, failure = row
    if found != left or dead or done not in (None, kept):
        raise BenchmarkError(
            f"the measurement counts for nothing: {found:,} jobs are left ({left:,} expected), "
            f"{held:,} of them held by a worker; {kept:,} are in the history, {dead:,} are dead.\n"
            f"{failure or 'No attempt failed.'}\n"
            "Hint: if nobody else works in this database, this is a bug: please report it."
        )
