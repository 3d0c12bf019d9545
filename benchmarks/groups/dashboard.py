"""How quickly pages of the dashboard answer on a large database, and what an open one costs."""

from __future__ import annotations

import importlib.util

import psycopg

from ..draining import drain_by_workers, rate
from ..errors import BenchmarkError
from ..figure import percentile
from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..stock import empty, stock

PAGES = {
    "overview": "/",
    "jobs": "/jobs",
    "jobs, dead": "/jobs?q=state%3Adead",
    "jobs, one task": "/jobs?q=task%3Anoop",
    "jobs, succeeded": "/jobs?q=state%3Asucceeded",
    "a job that waits": "/jobs/{waiting}",
    "a job that died": "/jobs/2000000001",
    "errors": "/errors",
    "queues": "/queues",
    "a queue": "/queues/default",
    "tasks": "/tasks",
    "schedules": "/schedules",
    "workers": "/workers",
    "database": "/database",
    "audit": "/audit",
}
TIMES = 20
"""Answers of each page in a round."""
HISTORY = 10
"""Finished jobs for each live one."""
CHUNK = 500_000
FINISHED = """
INSERT INTO pgqueue.job_done (id, run_at, enqueued_at, started_at, finished_at, priority, attempt,
                              max_attempts, queue, task, args)
SELECT 1000000000 + i, t.at, t.at, t.at, t.at + interval '50 ms', 0, 1, 20, 'default', 'noop',
       '{"number": 1}'
FROM generate_series(CAST(%s AS integer), %s) AS i,
LATERAL (SELECT now() - i * interval '30 ms' AS at) AS t
"""
DEAD = """
INSERT INTO pgqueue.job_dead (id, state, reason, run_at, enqueued_at, started_at, finished_at,
                              priority, attempt, max_attempts, queue, task, args)
SELECT 2000000000 + i, 'dead', 'ValueError: no', t.at, t.at, t.at, t.at, 0, 20, 20, 'default',
       'noop', '{"number": 1}'
FROM generate_series(1, CAST(%s AS integer)) AS i,
LATERAL (SELECT now() - i * interval '1 s' AS at) AS t
"""
FAILED = """
INSERT INTO pgqueue.failure (job_id, attempt, queue, task, error_type, message, fingerprint,
                             failed_at)
SELECT 2000000000 + i, 20, 'default', 'noop', 'ValueError', 'no', 'f' || i %% 20,
       now() - i * interval '1 s'
FROM generate_series(1, CAST(%s AS integer)) AS i
"""
OPEN, CLOSED = "with a page of the dashboard open", "without"


def group(lab: Lab) -> Group:
    if not all(importlib.util.find_spec(name) for name in ("httpx", "starlette")):
        raise BenchmarkError(
            'the dashboard is not installed.\nHint: pip install "pgqueue[bench,dashboard]"'
        )
    trials: dict[str, Trial] = {
        "pages": lambda: _pages(lab),
        OPEN: lambda: _drain(lab, OPEN),
        CLOSED: lambda: _drain(lab, CLOSED),
    }
    wanted = [Wanted(f"{page}, p95", "ms") for page in PAGES]
    wanted.append(Wanted(OPEN, "jobs/s", CLOSED))
    live = lab.plan.backlog
    title = f"The dashboard, on {live:,} live and {HISTORY * live:,} finished jobs"
    return Group("dashboard", title, wanted, trials, lab.plan.rounds)


def _pages(lab: Lab) -> Reading:
    with lab.connect() as connection:
        _fill(connection, lab.plan.backlog)
        ((waiting,),) = connection.execute("SELECT max(id) FROM pgqueue.job").fetchall()
    pages = {name: page.replace("{waiting}", str(waiting)) for name, page in PAGES.items()}
    with lab.process("browsing", pages=list(pages.values()), times=TIMES) as browser:
        browser.await_ready()
        browser.go()
        took = browser.result()
    return Reading(
        {f"{name}, p95": percentile(took[page], 0.95) * 1000 for name, page in pages.items()}
    )


def _fill(connection: psycopg.Connection, live: int) -> None:
    """A database as it is after a busy week. It takes a minute for a million live jobs."""
    empty(connection)
    stock(connection, live, priorities=3)
    for first in range(1, HISTORY * live + 1, CHUNK):
        last = min(first + CHUNK - 1, HISTORY * live)
        connection.execute(FINISHED, [first, last])
    connection.execute(DEAD, [live // 10])
    connection.execute(FAILED, [live // 10])
    connection.execute("VACUUM ANALYZE")


def _drain(lab: Lab, name: str) -> Reading:
    """The throughput of a worker while somebody looks at the overview, or nobody does."""
    jobs = lab.plan.jobs
    if name == CLOSED:
        results = drain_by_workers(lab, lambda connection: stock(connection, jobs), keep=True)
        return Reading({name: rate(jobs, results)})
    with lab.process("browsing", open="/", seconds=600.0) as browser:
        browser.await_ready()
        browser.go()
        results = drain_by_workers(lab, lambda connection: stock(connection, jobs), keep=True)
    return Reading({name: rate(jobs, results)})
