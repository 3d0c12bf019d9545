"""Errors by what they have in common: task, kind and the line that raised them."""

from __future__ import annotations

from typing import Any

import psycopg
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..acts import Done, act
from ..database import Row, Session
from ..given import Given
from ..lanes import BY_INDEX
from ..visit import Visit, named, page
from ..windows import Window, window_of

WINDOWS = ("1h", "24h", "7d")
MOST_GROUPS = 200
AT_ONCE = 1_000
"""Jobs that one press of the button retries."""
GROUPS = "SELECT e.* FROM pgqueue.errors_since(now() - %s) AS e LIMIT %s"
ABOUT = """
SELECT count(*) AS failures, count(DISTINCT f.job_id) AS jobs, max(f.failed_at) AS last_seen,
       (SELECT min(first.failed_at) FROM pgqueue.failure first
        WHERE first.fingerprint = %(fingerprint)s AND first.task = %(task)s) AS first_seen
FROM (SELECT x.job_id, x.failed_at FROM pgqueue.failure x
      WHERE x.fingerprint = %(fingerprint)s AND x.task = %(task)s
      ORDER BY x.failed_at DESC LIMIT 10000) AS f
"""
NEWEST = """
SELECT f.task FROM pgqueue.failure f
WHERE f.fingerprint = %(fingerprint)s AND f.task = coalesce(%(task)s, f.task)
ORDER BY f.failed_at DESC LIMIT 1
"""
FAILURES = """
SELECT f.id, f.job_id, f.attempt, f.queue, f.error_type, f.message, f.traceback, f.place,
       f.failed_at, f.failed_at - f.started_at AS took, w.name AS worker
FROM pgqueue.failure f LEFT JOIN pgqueue.worker w ON w.id = f.worker_id
WHERE f.fingerprint = %(fingerprint)s AND f.task = %(task)s
ORDER BY f.failed_at DESC LIMIT 10
"""
MESSAGES = """
SELECT f.message, count(*) AS failures FROM (
    SELECT x.message FROM pgqueue.failure x
    WHERE x.fingerprint = %(fingerprint)s AND x.task = %(task)s
    ORDER BY x.failed_at DESC LIMIT 1000) AS f
GROUP BY f.message ORDER BY 2 DESC, 1 LIMIT 8
"""
JOBS = """
SELECT hit.job_id, hit.failures, hit.last_seen, state.state, state.attempt, state.max_attempts
FROM (SELECT f.job_id, count(*) AS failures, max(f.failed_at) AS last_seen FROM (
          SELECT x.job_id, x.failed_at FROM pgqueue.failure x
          WHERE x.fingerprint = %(fingerprint)s AND x.task = %(task)s
          ORDER BY x.failed_at DESC LIMIT 1000) AS f
      GROUP BY f.job_id ORDER BY 3 DESC LIMIT 25) AS hit
LEFT JOIN LATERAL (SELECT j.state, j.attempt, j.max_attempts FROM pgqueue.jobs j
                   WHERE j.id = hit.job_id LIMIT 1) AS state ON true
ORDER BY hit.last_seen DESC
"""
TREND = """
SELECT ARRAY(
    SELECT count(f.failed_at) FROM generate_series(0, 47) AS n
    LEFT JOIN (SELECT x.failed_at FROM pgqueue.failure x
               WHERE x.fingerprint = %(fingerprint)s AND x.task = %(task)s
                 AND x.failed_at > now() - interval '24 hours'
               ORDER BY x.failed_at DESC LIMIT 10000) AS f
      ON floor(extract(epoch FROM now() - f.failed_at) / 1800) = 47 - n
    GROUP BY n ORDER BY n) AS trend
"""
DEAD = """
SELECT d.id FROM (
    SELECT DISTINCT f.job_id FROM (
        SELECT x.job_id FROM pgqueue.failure x
        WHERE x.fingerprint = %(fingerprint)s AND x.task = %(task)s
        ORDER BY x.failed_at DESC LIMIT 20000) AS f) AS hit
JOIN pgqueue.job_dead d ON d.id = hit.job_id
WHERE d.state = 'dead'
  AND (SELECT last.fingerprint FROM pgqueue.failure last WHERE last.job_id = d.id
       ORDER BY last.id DESC LIMIT 1) = %(fingerprint)s
"""
"""Jobs that died of this error, and of no other that came after it."""
COUNT_DEAD = f"SELECT count(*) AS dead FROM ({DEAD}) AS found"  # noqa: S608 - our own constant
RETRY = f"""
WITH chosen AS MATERIALIZED ({DEAD} ORDER BY d.id LIMIT %(most)s FOR UPDATE OF d SKIP LOCKED)
SELECT count(*) AS chosen, count(*) FILTER (WHERE pgqueue.retry(c.id)) AS retried FROM chosen c
"""  # noqa: S608 - the same


@page
async def errors(visit: Visit) -> Response:
    window = window_of(visit.given, "24h", WINDOWS)
    groups, late = [], False
    try:
        groups = await visit.cached(("errors", window.name), lambda: _groups(visit, window))
    except psycopg.errors.QueryCanceled:
        late = True
    return visit.page(
        "errors.html",
        title="Errors",
        window=window,
        windows_known=WINDOWS,
        groups=groups,
        late=late,
        cut=len(groups) == MOST_GROUPS,
    )


async def _groups(visit: Visit, window: Window) -> list[Row]:
    async with visit.look() as session:
        return await session.rows(GROUPS, [window.length, MOST_GROUPS])


@page
async def error(visit: Visit) -> Response:
    fingerprint, task = visit.name("error"), visit.given.text("task")
    async with visit.look() as session:
        group = await _group(session, fingerprint, task)
    if group is None:
        raise HTTPException(404, "There is no such error, or nobody keeps its failures any longer.")
    return visit.page("error_group.html", title=group["failures"][0]["error_type"], **group)


async def _group(session: Session, fingerprint: str, task: str | None) -> dict[str, Any] | None:
    await session.rows(BY_INDEX)
    newest = await session.row(NEWEST, {"fingerprint": fingerprint, "task": task})
    if newest is None:
        return None
    asked = {"fingerprint": fingerprint, "task": newest["task"]}
    return {
        **asked,
        "about": await session.row(ABOUT, asked),
        "failures": await session.rows(FAILURES, asked),
        "messages": await session.rows(MESSAGES, asked),
        "jobs": await session.rows(JOBS, asked),
        "trend": await session.value(TREND, asked),
        "dead": await session.value(COUNT_DEAD, asked),
        "at_once": AT_ONCE,
    }


@act("operator")
async def retry(visit: Visit, session: Session, given: Given) -> Done:
    asked = {"fingerprint": visit.name("error"), "task": given.text("task") or ""}
    await session.rows(BY_INDEX)
    found = await session.row(RETRY, {**asked, "most": AT_ONCE})
    assert found is not None
    left = await session.value(COUNT_DEAD, asked)
    path = named("errors", asked["fingerprint"])
    if not found["chosen"]:
        return Done(path, "None of its jobs is dead any more.")
    told = f"Retried {_jobs(found['retried'])}."
    taken = found["chosen"] - found["retried"]
    if taken:
        told += f" Of {_jobs(taken)} another one has the unique key."
    if left > taken:
        told += f" {_jobs(left - taken)} more died of it: press again."
    return Done(path, told, "retry", asked, found["retried"], given.text("reason", 500))


def _jobs(number: int) -> str:
    return f"{number:,} job" + ("" if number == 1 else "s")


def routes() -> list[BaseRoute]:
    return [
        Route("/errors", errors),
        Route("/errors/{name:path}/retry", retry, methods=["POST"]),
        Route("/errors/{name:path}", error),
    ]
