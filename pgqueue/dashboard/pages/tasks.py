"""The tasks that workers know or that ran: what they are, how often, how long, how well."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..acts import Done, act
from ..charts import History, charts_of, history_of
from ..database import Session
from ..given import Given
from ..rendering import duration
from ..visit import Visit, named, page
from ..windows import WINDOWS, Window, window_of
from .queue_acts import SECOND, YEAR

SPANS = ("1h", "24h", "7d")
MOST = 200
STATISTICS = """
    SELECT f.task, f.queues, f.succeeded, f.retried, f.dead, f.cancelled,
           pgqueue.percentiles(f.runs, '{0.5,0.95,0.99}') AS run,
           pgqueue.percentiles(f.waits, '{0.95}') AS wait
    FROM (SELECT s.task, array_agg(DISTINCT s.queue) AS queues, sum(s.succeeded) AS succeeded,
                 sum(s.retried) AS retried, sum(s.dead) AS dead, sum(s.cancelled) AS cancelled,
                 array_agg(s.runs) AS runs, array_agg(s.waits) AS waits
          FROM pgqueue.statistics_since(now() - %(length)s) AS s
          WHERE s.task = coalesce(%(name)s, s.task) GROUP BY s.task) AS f
"""
TASKS = f"""
WITH ran AS MATERIALIZED ({STATISTICS}), crew AS MATERIALIZED (
    SELECT known AS task, count(*) AS workers
    FROM pgqueue.worker w, unnest(w.tasks) AS known
    WHERE w.seen_at + w.lease_for >= now() GROUP BY known)
SELECT name.task, d.queue, d.signature, d.doc, d.max_attempts, d.timeout, d.cron, d.priority,
       d.aliases, d.version, d.changed_at, d.task IS NOT NULL AS declared,
       coalesce(crew.workers, 0) AS workers, ran.queues,
       coalesce(ran.succeeded + ran.retried + ran.dead + ran.cancelled, 0) AS runs,
       coalesce(ran.succeeded, 0) AS succeeded, coalesce(ran.retried, 0) AS retried,
       coalesce(ran.dead, 0) AS dead, ran.run[1] AS run_p50, ran.run[2] AS run_p95,
       ran.run[3] AS run_p99, ran.wait[1] AS wait_p95, p.kind IS NOT NULL AS paused,
       p.paused_by, p.reason, p.paused_at, p.until
FROM (SELECT known.task FROM (
          SELECT d.task FROM pgqueue.task_declaration d
          UNION SELECT crew.task FROM crew
          UNION SELECT ran.task FROM ran) AS known
      WHERE known.task = coalesce(%(name)s, known.task) AND known.task > %(after)s
      ORDER BY known.task LIMIT %(most)s) AS name
LEFT JOIN pgqueue.task_declaration d ON d.task = name.task
LEFT JOIN crew ON crew.task = name.task
LEFT JOIN ran ON ran.task = name.task
LEFT JOIN pgqueue.pause p
    ON p.kind = 'task' AND p.name = name.task AND coalesce(p.until > now(), true)
ORDER BY name.task
"""  # noqa: S608 - our own constant
WORKERS = """
SELECT w.name, w.host, w.version, w.queues, w.state FROM pgqueue.workers AS w
WHERE %s = ANY (w.tasks) ORDER BY w.state, w.name LIMIT 50
"""
SCHEDULES = """
SELECT s.name, s.cron, s.every, s.next_at FROM pgqueue.schedule AS s
WHERE s.task = %s ORDER BY s.name LIMIT 50
"""
ERRORS = """
SELECT f.fingerprint, f.error_type, count(*) AS failures, max(f.failed_at) AS last_seen
FROM (SELECT x.fingerprint, x.task, x.error_type, x.failed_at FROM pgqueue.failure x
      WHERE x.failed_at > now() - interval '24 hours'
      ORDER BY x.failed_at DESC LIMIT 5000) AS f
WHERE f.task = %s GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 10
"""
UNKNOWN = ("paused", "runs", "retried", "dead", "run_p50", "run_p95", "run_p99", "wait_p95")
"""What is not known of a task that only schedules or errors name."""
PAUSE = "SELECT pgqueue.pause('task', %s, %s, %s, now() + CAST(%s AS interval))"
UNTIL = "SELECT p.until FROM pgqueue.pause p WHERE p.kind = 'task' AND p.name = %s"
RESUME = "SELECT pgqueue.resume('task', %s)"


@page
async def tasks(visit: Visit) -> Response:
    window = window_of(visit.given, "24h", SPANS)
    after = visit.given.text("after") or ""

    async def find() -> list[dict[str, Any]]:
        async with visit.look() as session:
            asked = {"length": window.length, "name": None, "after": after, "most": MOST}
            return await session.rows(TASKS, asked)

    rows = await visit.cached(("tasks", window.name, after), find)
    return visit.page(
        "tasks.html",
        title="Tasks",
        tasks=rows,
        window=window,
        windows_known=SPANS,
        cut=len(rows) == MOST,
    )


@page
async def task(visit: Visit) -> Response:
    name = visit.name("task")
    window = window_of(visit.given, "24h")
    history = await visit.cached(
        ("history", window.name, "task", name), lambda: _history(visit, window, name)
    )
    found = await visit.cached(("task", window.name, name), lambda: _task(visit, window, name))
    if found is None:
        text = f"No worker has declared “{name}”, and nothing of it ran in this window."
        raise HTTPException(404, text)
    return visit.page(
        "task.html",
        title=name,
        window=window,
        windows_known=tuple(WINDOWS),
        drawn=charts_of(history) if visit.wants("charts") else [],
        **found,
    )


async def _history(visit: Visit, window: Window, name: str) -> History:
    async with visit.look() as session:
        return await history_of(session, window, task=name)


async def _task(visit: Visit, window: Window, name: str) -> dict[str, Any] | None:
    async with visit.look() as session:
        asked = {"length": window.length, "name": name, "after": "", "most": 1}
        row = await session.row(TASKS, asked)
        workers = await session.rows(WORKERS, [name])
        schedules = await session.rows(SCHEDULES, [name])
        errors = await session.rows(ERRORS, [name])
    if row is None and not (schedules or errors):
        return None
    return {
        "task": row or dict.fromkeys(UNKNOWN) | {"task": name, "declared": False, "workers": 0},
        "workers": workers,
        "schedules": schedules,
        "errors": errors,
    }


@act("operator")
async def pause(visit: Visit, session: Session, given: Given) -> Done:
    name, reason = visit.name("task"), given.text("reason", 500)
    length = given.length("for", SECOND, YEAR)
    await session.rows(PAUSE, [name, reason, visit.visitor.name, length])
    until = f" for {duration(length)}" if length else ""
    ends = await session.value(UNTIL, [name])
    target = {"task": name} | ({"until": ends.isoformat()} if ends else {})
    told = f"{name} is paused{until}: running jobs finish, new ones wait."
    return Done(named("tasks", name), told, "pause", target, reason=reason)


@act("operator")
async def resume(visit: Visit, session: Session, given: Given) -> Done:
    name = visit.name("task")
    path = named("tasks", name)
    if not await session.value(RESUME, [name]):
        return Done(path, f"{name} was not paused.")
    return Done(path, f"{name} goes on.", "resume", {"task": name})


def routes() -> list[BaseRoute]:
    return [
        Route("/tasks", tasks),
        Route("/tasks/{name:path}/pause", pause, methods=["POST"]),
        Route("/tasks/{name:path}/resume", resume, methods=["POST"]),
        Route("/tasks/{name:path}", task),
    ]
