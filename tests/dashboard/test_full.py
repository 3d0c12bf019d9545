"""Every page with a hundred thousand jobs in each state, in a real browser."""

from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.support import enqueue, register

Connection = psycopg.Connection[Any]
MANY = 100_000
LIVE = """
INSERT INTO pgqueue.job (task, queue, args, ready_xid, blocked, lease, worker_id, run_at, attempt,
                         started_at)
SELECT 'send', 'q' || i %% 5, jsonb_build_object('number', i),
       CASE WHEN %(ready)s THEN 1 + i END, %(blocked)s, CASE WHEN %(runs)s THEN i END,
       CASE WHEN %(runs)s THEN %(worker)s END,
       now() + CASE WHEN %(ready)s OR %(blocked)s THEN interval '0' ELSE interval '1 day' END,
       %(attempt)s, CASE WHEN %(attempt)s > 0 THEN now() END
FROM generate_series(1, %(many)s) AS i
"""
LIVE_STATES = {
    "queued": (True, None, False, 0),
    "running": (True, None, True, 1),
    "scheduled": (False, None, False, 0),
    "retrying": (False, None, False, 1),
    "blocked": (False, True, False, 0),
}
ENDED = """
INSERT INTO pgqueue.{table} (id, {extra} run_at, enqueued_at, started_at, finished_at, priority,
                             attempt, max_attempts, queue, task, args)
SELECT nextval('pgqueue.job_id_seq'), {values} now(), now(), now(), now() - i * interval '1 second',
       0, 1, 20, 'q' || i %% 5, 'send', '{{"number": 1}}'
FROM generate_series(1, %s) AS i
"""
FAILURES = """
INSERT INTO pgqueue.failure (job_id, attempt, queue, task, error_type, message, fingerprint,
                             failed_at)
SELECT id, 1, queue, task, 'ValueError', 'no', 'f' || id % 50, finished_at FROM pgqueue.job_dead
"""
PAGES = (
    "",
    "jobs",
    "errors",
    "queues",
    "tasks",
    "schedules",
    "workers",
    "database",
    "operations",
    "audit",
)


@pytest.fixture
def full(connection: Connection) -> Connection:
    worker = register(connection)
    for ready, blocked, runs, attempt in LIVE_STATES.values():
        state = {"ready": ready, "blocked": blocked, "runs": runs, "attempt": attempt}
        connection.execute(LIVE, {**state, "worker": worker, "many": MANY})
    for table, extra, values in (
        ("job_done", "", ""),
        ("job_dead", "state,", "'dead',"),
        ("job_dead", "state,", "'cancelled',"),
    ):
        statement = ENDED.format(table=table, extra=extra, values=values)
        connection.execute(statement.encode(), [MANY])
    connection.execute(FAILURES)
    connection.execute("ANALYZE")
    return connection


@pytest.mark.timeout(600)
def test_every_page_shows_a_hundred_thousand_of_each(page: Page, full: Connection) -> None:
    states = [*LIVE_STATES, "succeeded", "dead", "cancelled"]
    (newest,) = full.execute("SELECT max(id) FROM pgqueue.job").fetchone() or (0,)
    paths = [
        *PAGES,
        *(f"jobs?q=state%3A{state}" for state in states),
        f"jobs/{newest}",
        "queues/q1",
    ]
    for path in paths:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
    page.goto("jobs")
    expect(page.locator(".tabs")).to_contain_text("10,000+")
    expect(page.locator("tr[data-row]")).not_to_have_count(0)
    enqueue(full, "something_new")
    expect(page.locator("tr[data-row]").first).to_contain_text("something_new", timeout=4000)
