"""Whatever jobs, workers and people are called, and whatever they say: it is text on every page."""

import csv
import hashlib
import io
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Page, expect
from psycopg.types.json import Jsonb
from starlette.routing import Route

from pgqueue.dashboard.pages import routes
from tests.dashboard.payloads import PAYLOADS

Connection = psycopg.Connection[Any]

FILL = {
    "queue": "INSERT INTO pgqueue.queue (name, paused_at, paused_by, pause_reason) "
    "VALUES (%(short)s, now(), %(text)s, %(text)s) ON CONFLICT DO NOTHING",
    "live": "INSERT INTO pgqueue.job (task, queue, args, tags, meta, progress, cancel_reason) "
    "VALUES (%(text)s, %(short)s, %(json)s, ARRAY[%(text)s], %(json)s, %(json)s, %(text)s)",
    "dead": "INSERT INTO pgqueue.job_dead (id, state, reason, run_at, enqueued_at, priority, "
    "attempt, max_attempts, queue, task, args, tags, meta) VALUES "
    "(nextval('pgqueue.job_id_seq'), 'dead', "
    "%(text)s, now(), now(), 0, 1, 1, %(short)s, %(text)s, %(json)s, ARRAY[%(text)s], %(json)s)",
    "done": "INSERT INTO pgqueue.job_done (id, run_at, enqueued_at, started_at, finished_at, "
    "priority, attempt, max_attempts, queue, task, args, tags, meta, result) VALUES "
    "(nextval('pgqueue.job_id_seq'), now(), now(), now(), now(), 0, 1, 1, %(short)s, %(text)s, "
    "%(json)s, ARRAY[%(text)s], %(json)s, %(json)s)",
    "failure": "INSERT INTO pgqueue.failure (job_id, attempt, queue, task, error_type, message, "
    "traceback, fingerprint) SELECT max(id), 1, %(short)s, %(text)s, %(text)s, %(text)s, %(text)s, "
    "md5(%(text)s) FROM pgqueue.job_dead",
    "worker": "INSERT INTO pgqueue.worker (name, host, pid, version, queues, tasks, concurrency, "
    "lease_for) VALUES (%(text)s, %(text)s, 1, %(text)s, ARRAY[%(short)s], ARRAY[%(text)s], 1, "
    "'1 hour')",
    "schedule": "INSERT INTO pgqueue.schedule (name, task, queue, cron, timezone, args, error, "
    "pause_reason, paused_by, tags) VALUES (%(text)s, %(text)s, %(short)s, %(text)s, %(short)s, "
    "%(json)s, %(text)s, %(text)s, %(text)s, ARRAY[%(text)s]) ON CONFLICT DO NOTHING",
    "pause": "INSERT INTO pgqueue.pause (kind, name, paused_by, reason) "
    "VALUES ('tag', %(text)s, %(text)s, %(text)s)",
    "limit": "INSERT INTO pgqueue.limit_rule (name, concurrency) VALUES (%(text)s, 1)",
    "audit": "INSERT INTO pgqueue.audit (actor, via, action, target, reason) "
    "VALUES (%(text)s, 'sql', %(text)s, %(json)s, %(text)s)",
    "dump": "INSERT INTO pgqueue.dump (worker_id, asked_by, written_at, stacks) "
    "SELECT max(id), %(text)s, now(), %(text)s FROM pgqueue.worker",
    "operation": "INSERT INTO pgqueue.operation (action, filter, parameters, actor, reason, jobs, "
    "states, total, error) VALUES (%(text)s, %(text)s, %(json)s, %(text)s, %(text)s, '{1}', "
    "ARRAY[%(text)s], 1, %(text)s)",
    "declaration": "INSERT INTO pgqueue.task_declaration (task, queue, signature, doc, schema, "
    "aliases, max_attempts, priority, cron, version) VALUES (%(text)s, %(short)s, %(text)s, "
    "%(text)s, %(json)s, ARRAY[%(text)s], 1, 0, %(text)s, %(text)s) ON CONFLICT DO NOTHING",
    "statistic": "INSERT INTO pgqueue.statistic (span, at, queue, task, succeeded, waits, runs) "
    "SELECT interval '1 minute', date_bin('1 minute', now(), '2000-01-01Z') - n * interval "
    "'1 minute', %(short)s, %(text)s, 1, array_fill(1, ARRAY[25]), array_fill(1, ARRAY[25]) "
    "FROM generate_series(1, 3) AS n ON CONFLICT DO NOTHING",
    "sample": "INSERT INTO pgqueue.queue_sample (at, queue, queued) SELECT date_bin('1 minute', "
    "now(), '2000-01-01Z') - n * interval '1 minute', %(short)s, 1 "
    "FROM generate_series(1, 3) AS n ON CONFLICT DO NOTHING",
    "tick": "INSERT INTO pgqueue.tick (schedule, tick, note) VALUES (%(text)s, now(), %(text)s) "
    "ON CONFLICT DO NOTHING",
}
MOST_BYTES = {"text": 200, "short": 100}


@pytest.fixture
def harmful(connection: Connection) -> Connection:
    """A database where every text that a page can show is one of the payloads."""
    for payload in PAYLOADS:
        text = payload.replace("\0", "")
        values = {
            "text": text.encode()[: MOST_BYTES["text"]].decode(errors="ignore"),
            "short": text.encode()[: MOST_BYTES["short"]].decode(errors="ignore"),
            "json": Jsonb({text: [text, {text: text}]}),
        }
        for statement in FILL.values():
            typed = statement.replace("%(text)s", "%(text)s::text")
            connection.execute(typed.encode(), values)
    return connection


def paths(connection: Connection) -> list[str]:
    """Every path that shows something, for the jobs and names that there are."""
    (highest,) = connection.execute("SELECT max(id) FROM pgqueue.job").fetchone() or (1,)
    found = []
    for route in routes():
        assert isinstance(route, Route)
        if route.path.startswith(
            ("/static", "/changes", "/jobs/complete", "/metrics")
        ) or "GET" not in (route.methods or ()):
            continue
        if route.path.endswith((".csv", ".json")):
            continue  # files to keep, which no browser shows
        if "{" not in route.path:
            found.append(route.path.lstrip("/"))
        elif "{id" in route.path:
            ids = (1, 3) if route.path.startswith("/workers") else (highest, 3)
            found += [route.path.replace("{id:int}", str(id)).lstrip("/") for id in ids]
        else:
            start, _, rest = route.path.partition("{")
            end = rest.partition("}")[2]
            found += [start.lstrip("/") + name + end for name in _names(route.path)]
    return found + [f"audit?before={before}" for before in range(51, len(PAYLOADS), 50)]


def _names(path: str) -> list[str]:
    """Some of what is called so, as a path has it."""
    some = [text for text in PAYLOADS[::40] if "\0" not in text and len(text.encode()) <= 100]
    if path.startswith("/errors"):
        some = [hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in some]
    return [quote(text, safe="") for text in some]


def harm_on(page: Page) -> Any:
    page.wait_for_load_state()
    return page.evaluate("window.__harm || 0")


@pytest.mark.timeout(600)
def test_nothing_that_is_stored_runs(page: Page, harmful: Connection) -> None:
    for path in paths(harmful):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == (400 if path == "jobs/act" else 200), path
        assert harm_on(page) == 0, path
        assert page.locator("main h1").count() == 1, path


@pytest.mark.usefixtures("harmful")
@pytest.mark.timeout(600)
def test_nothing_runs_under_the_pointer(page: Page) -> None:
    for path in ("", *(f"queues/{name}" for name in _names("/queues"))):
        page.goto(path)
        page.locator("#depth .u-over").hover()
        expect(page.locator("#depth .tip")).to_contain_text("waiting")
        assert harm_on(page) == 0, path


@pytest.mark.usefixtures("harmful")
def test_exports_are_files_of_the_same_texts(page: Page) -> None:
    texts = [text.replace("\0", "").encode()[:200].decode(errors="ignore") for text in PAYLOADS]
    answers = {kind: page.request.get(f"audit.{kind}") for kind in ("csv", "json")}
    for kind, answer in answers.items():
        assert answer.headers["content-disposition"].startswith("attachment"), kind
        assert answer.headers["x-content-type-options"] == "nosniff", kind
    assert [one["reason"] for one in answers["json"].json()["items"]] == texts[::-1]
    rows = list(csv.DictReader(io.StringIO(answers["csv"].body().decode(), newline="")))
    assert [row["reason"].removeprefix("'") for row in rows] == [
        text.removeprefix("'") for text in texts[::-1]
    ]
    assert not [cell for row in rows for cell in row.values() if cell.startswith(tuple("=+-@"))]


@pytest.mark.timeout(600)
def test_nothing_that_is_asked_for_runs(page: Page, connection: Connection) -> None:
    for payload in PAYLOADS[::4]:
        text = quote(payload, safe="")
        for path in (f"jobs?q={text}", f"?told={text}", f"nowhere/{text}", f"errors?since={text}"):
            answer = page.goto(path)
            assert answer is not None
            assert answer.status < 500, path
            assert harm_on(page) == 0, path


@pytest.fixture
def page(page: Page) -> Page:
    """The page of the browser, where an answer of 400 or 404 is no mistake."""
    page.add_init_script("window.__harm = 0")
    return page
