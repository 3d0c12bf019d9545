"""Draining a queue of jobs that do nothing: a worker process, and its floor."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psycopg

from .tasks import ARGS

BATCH = 500

CLAIM = """
UPDATE pgqueue.job SET lease = 1, worker_id = 1, started_at = now(), attempt = attempt + 1
WHERE id = ANY (ARRAY(
    SELECT id FROM pgqueue.job
    WHERE queue = 'default' AND priority = 0 AND ready_xid IS NOT NULL AND lease IS NULL
      AND (ready_xid, id) > (%s, %s)
    ORDER BY ready_xid, id LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id, task, args::text, ready_xid
"""
COMPLETE = """
WITH finished AS (DELETE FROM pgqueue.job WHERE id = ANY (%s) RETURNING *)
INSERT INTO pgqueue.job_done (id, run_at, enqueued_at, started_at, finished_at, priority, attempt,
                              max_attempts, queue, task, args)
SELECT id, run_at, enqueued_at, started_at, now(), priority, attempt, max_attempts, queue, task,
       args
FROM finished
"""


def fill(dsn: str, jobs: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE pgqueue.job, pgqueue.job_done, pgqueue.job_dead, pgqueue.failure"
        )
        connection.execute(
            "INSERT INTO pgqueue.job (task, args) "
            "SELECT 'noop', %s::jsonb FROM generate_series(1, %s)",
            (ARGS, jobs),
        )
        connection.execute("VACUUM ANALYZE pgqueue.job")
        connection.execute("CHECKPOINT")


def floor(dsn: str, jobs: int) -> float:
    """Claim and complete by plain SQL in batches, without running anything. Jobs per second."""
    fill(dsn, jobs)
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_sort = off")
        cursor = connection.cursor(binary=True)
        place, done = (0, 0), 0
        began = time.perf_counter()
        while rows := cursor.execute(CLAIM, (*place, BATCH)).fetchall():
            place = max((row[3], row[0]) for row in rows)
            connection.execute(COMPLETE, ([row[0] for row in rows],))
            done += len(rows)
        took = time.perf_counter() - began
    assert done == jobs, (done, jobs)
    return jobs / took


def worker(dsn: str, jobs: int) -> float:
    """One worker process with default settings, from first start to last end. Jobs per second."""
    fill(dsn, jobs)
    command = [sys.executable, "-m", "benchmarks.drain", dsn]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at)) "
            "FROM pgqueue.job_done"
        ).fetchone()
    assert row is not None
    assert row[0] == jobs, row
    return float(jobs / float(row[1]))


def main() -> int:
    from .tasks import app

    app.configure(dsn=sys.argv[1])
    if len(sys.argv) > 2:
        import cProfile

        cProfile.runctx("app.run_worker(once=True)", globals(), locals(), sys.argv[2])
        return 0
    return app.run_worker(once=True)


if __name__ == "__main__":
    raise SystemExit(main())
