"""The floor of a worker: claims and completes by plain SQL in batches, and runs nothing."""

from __future__ import annotations

import os
import time

import psycopg

from .machine import own_cpu_seconds
from .process import DSN, await_go, orders, say

BATCH = 500
CLAIM = """
UPDATE pgqueue.job SET lease = 1, worker_id = 1, started_at = now(), attempt = attempt + 1
WHERE id = ANY (ARRAY(
    SELECT id FROM pgqueue.job
    WHERE queue = 'default' AND priority = 0 AND ready_xid IS NOT NULL AND lease IS NULL
      AND (ready_xid, id) > (%s::bigint, %s::bigint)
    ORDER BY ready_xid, id LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id, task, args::text, ready_xid
"""
DELETE = "DELETE FROM pgqueue.job WHERE id = ANY (%b::bigint[])"
KEEP = """
WITH finished AS (DELETE FROM pgqueue.job WHERE id = ANY (%b::bigint[]) RETURNING *)
INSERT INTO pgqueue.job_done (id, run_at, enqueued_at, started_at, finished_at, priority, attempt,
                              max_attempts, queue, task, args)
SELECT id, run_at, enqueued_at, started_at, now(), priority, attempt, max_attempts, queue, task,
       args
FROM finished
"""


def main() -> None:
    """Order: whether to `keep` a history."""
    for order in orders():
        with psycopg.connect(os.environ[DSN], autocommit=True, prepare_threshold=0) as connection:
            connection.execute("SET enable_seqscan = off")
            connection.execute("SET enable_sort = off")
            await_go()
            cpu, began = own_cpu_seconds(), time.monotonic()
            done = drain(connection, KEEP if order["keep"] else DELETE)
            ended = time.monotonic()
        used = own_cpu_seconds() - cpu
        say({"first": began, "ended": ended, "cpu": used, "jobs": done})


def drain(connection: psycopg.Connection, complete: str) -> int:
    """Until nothing is left that nobody else has. Returns the number of jobs."""
    cursor = connection.cursor(binary=True)
    place, done = (0, 0), 0
    while rows := cursor.execute(CLAIM, (*place, BATCH)).fetchall():
        place = max((row[3], row[0]) for row in rows)
        connection.execute(complete, ([row[0] for row in rows],))
        done += len(rows)
    return done


if __name__ == "__main__":
    main()
