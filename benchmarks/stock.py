"""The jobs that a trial begins with: everything of the last one is gone, and new ones lie ready."""

from __future__ import annotations

import contextlib

import psycopg

from .errors import BenchmarkError
from .tasks import ARGS

EMPTY = "TRUNCATE pgqueue.job, pgqueue.job_done, pgqueue.job_dead, pgqueue.failure"
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


def schedule(connection: psycopg.Connection, jobs: int) -> None:
    """Jobs for tomorrow."""
    connection.execute(SCHEDULED, [ARGS, jobs])


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
