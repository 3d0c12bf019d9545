"""The queues: how deep, how old, who serves them, what bounds them; and each by itself."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..charts import History, charts_of, history_of
from ..database import Row
from ..given import written
from ..lanes import MOST_LANES, lanes_of
from ..visit import Visit, page
from ..windows import WINDOWS, Window, window_of
from . import queue_acts

SPARKS = """
SELECT s.queue, date_bin('5 minutes', s.at, now() - interval '1 hour') AS at,
       CAST(max(s.queued) AS integer) AS queued
FROM pgqueue.queue_sample s WHERE s.at > now() - interval '1 hour' AND s.queue = ANY (%s)
GROUP BY 1, 2 ORDER BY 1, 2
"""
WAITS = """
SELECT s.queue, s.wait_p95, s.succeeded + s.retried + s.dead + s.cancelled AS ended
FROM pgqueue.queue_statistics(now() - interval '1 hour') AS s
"""
TASKS = """
SELECT s.task, s.succeeded, s.retried, s.dead, s.run_p50, s.run_p95, s.wait_p95
FROM pgqueue.task_statistics(now() - interval '24 hours') AS s WHERE s.queue = %s
ORDER BY s.succeeded + s.retried + s.dead DESC, s.task LIMIT 50
"""
LIMITS = """
SELECT r.name, r.concurrency, r.rate, r.per, r.burst, r.declared,
       (SELECT count(*) FROM (
            SELECT FROM pgqueue.slot s
            WHERE s.bucket = r.name OR starts_with(s.bucket, r.name || ':') LIMIT 10000) AS found
       ) AS running,
       (SELECT count(*) FROM (
            SELECT FROM pgqueue.gate g
            WHERE g.state = 'closed' AND g.blocker = r.name LIMIT 10000) AS found)
       + (SELECT count(*) FROM (
            SELECT FROM pgqueue.gate g
            WHERE g.state = 'closed' AND g.blocker > r.name || ':' COLLATE "C"
              AND g.blocker < r.name || ';' COLLATE "C" LIMIT 10000) AS found) AS waiting
FROM pgqueue.limit_rule AS r
WHERE r.name IN (%(rule)s, 'task') OR r.name = ANY (%(tasks)s)
   OR EXISTS (SELECT FROM pgqueue.closed_by(r.name) AS c WHERE c.queue = %(queue)s)
ORDER BY r.name LIMIT 50
"""
"""Those of the queue, of all tasks and of its tasks, and whichever its jobs wait for now."""
PAUSES = """
SELECT p.* FROM pgqueue.pauses AS p WHERE p.kind <> 'queue' ORDER BY p.paused_at DESC LIMIT 50
"""
SHARES = """
SELECT waits.fair_key, waits.jobs, w.weight, s.served
FROM (SELECT g.fair_key, count(*) AS jobs FROM (
          SELECT x.fair_key FROM pgqueue.gate x
          WHERE x.queue = %(queue)s AND x.state = 'open' LIMIT 10000) AS g
      GROUP BY g.fair_key ORDER BY 2 DESC, 1 LIMIT 20) AS waits
LEFT JOIN pgqueue.fair_weight w ON w.queue = %(queue)s AND w.fair_key = waits.fair_key
LEFT JOIN pgqueue.share s ON s.queue = %(queue)s AND s.fair_key = waits.fair_key
ORDER BY waits.jobs DESC, waits.fair_key
"""
LATELY = Window("lately", "minutes", WINDOWS["1h"].step * 10, WINDOWS["1h"].step)
SLICES = 12


@page
async def queues(visit: Visit) -> Response:
    after = visit.given.text("after") or ""
    context = await visit.cached(("queues", after), lambda: _queues(visit, after))
    return visit.page("queues.html", title="Queues", most=MOST_LANES, **context)


async def _queues(visit: Visit, after: str) -> dict[str, Any]:
    async with visit.look() as session:
        lanes = await lanes_of(session, after=after)
        names = [row["queue"] for row in lanes.rows]
        waits = {row["queue"]: row for row in await session.rows(WAITS)}
        looks = await session.rows(SPARKS, [names])
        pauses = await session.rows(PAUSES)
    for lane in lanes.rows:
        found = waits.get(lane["queue"], {})
        lane["wait_p95"], lane["ended"] = found.get("wait_p95"), found.get("ended", 0)
        seen = [row["queued"] for row in looks if row["queue"] == lane["queue"]][-SLICES:]
        lane["depths"] = [0] * (SLICES - len(seen)) + seen
    return {"lanes": lanes, "pauses": pauses}


@page
async def queue(visit: Visit) -> Response:
    name = visit.name("queue", 100)
    window = window_of(visit.given)
    history = await visit.cached(
        ("history", window.name, "queue", name), lambda: _history(visit, window, name)
    )
    context = await visit.cached(("queue", name), lambda: _queue(visit, name))
    if context is None:
        raise HTTPException(
            404,
            f"Queue “{name}” has no setting, and no job in line; see jobs?q=queue:… for others.",
        )
    return visit.page(
        "queue.html",
        title=name,
        window=window,
        windows_known=tuple(WINDOWS),
        drawn=charts_of(history) if visit.wants("charts") else [],
        written=written,
        **context,
    )


async def _history(visit: Visit, window: Window, name: str) -> History:
    async with visit.look() as session:
        return await history_of(session, window, queue=name)


async def _queue(visit: Visit, name: str) -> dict[str, Any] | None:
    async with visit.look() as session:
        lanes = await lanes_of(session, name=name)
        if not lanes.rows:
            return None
        (lane,) = lanes.rows
        lately = await history_of(session, LATELY, queue=name)
        a_minute = lately.ended / (LATELY.length.total_seconds() / 60)
        waiting = lane["queued"] + lane["blocked"]
        tasks = await session.rows(TASKS, [name])
        concerns = {
            "queue": name,
            "rule": lane["limit"]["name"] if lane["limit"] else None,
            "tasks": [f"task:{task['task']}" for task in tasks],
        }
        return {
            "lane": lane,
            "later_is_cut": lanes.later_is_cut,
            "a_minute": a_minute,
            "empty_in": waiting / a_minute * 60 if waiting and a_minute else None,
            "tasks": tasks,
            "limits": await session.rows(LIMITS, concerns),
            "pauses": await session.rows(PAUSES),
            "shares": _shares(await session.rows(SHARES, {"queue": name})),
        }


def _shares(rows: list[Row]) -> list[Row]:
    """Who waits by tenant, where there are tenants."""
    return rows if any(row["fair_key"] for row in rows) else []


def routes() -> list[BaseRoute]:
    return [
        Route("/queues", queues),
        *queue_acts.routes(),
        Route("/queues/{name:path}", queue),
    ]
