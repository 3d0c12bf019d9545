"""The first page: is it well, how much is there, how fast does it go."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..charts import History, charts_of, history_of
from ..health import WHERE
from ..lanes import Lanes, lanes_of
from ..rendering import rate, share
from ..visit import Visit, page
from ..windows import WINDOWS, Window, window_of

WORKERS = """
SELECT count(*) FILTER (WHERE w.state <> 'lost') AS workers,
       count(*) FILTER (WHERE w.state = 'lost') AS lost,
       count(DISTINCT w.host) FILTER (WHERE w.state <> 'lost') AS hosts,
       coalesce(sum(w.concurrency) FILTER (WHERE w.state <> 'lost'), 0) AS slots,
       coalesce(sum(w.running) FILTER (WHERE w.state <> 'lost'), 0) AS busy
FROM pgqueue.workers AS w
"""
TICKS = """
SELECT s.name, s.task, s.queue, s.next_at FROM pgqueue.schedule s
WHERE s.paused_at IS NULL AND s.ended_at IS NULL AND s.error IS NULL AND s.next_at IS NOT NULL
ORDER BY s.next_at, s.name LIMIT 5
"""
GROUPS = """
SELECT f.fingerprint, f.task, f.error_type, f.place, f.message, count(*) AS failures,
       max(f.failed_at) AS last_seen
FROM (SELECT * FROM pgqueue.failure ORDER BY failed_at DESC LIMIT 500) AS f
WHERE f.failed_at > now() - interval '24 hours'
GROUP BY 1, 2, 3, 4, 5 ORDER BY last_seen DESC LIMIT 50
"""
LATELY = Window("lately", "minutes", WINDOWS["1h"].step * 5, WINDOWS["1h"].step)
"""What counts as now where something is said by the minute."""
SHOWN = 6
MOST_TROUBLES = 6
"""Sentences above the figures; the page about the database has them all."""


@page
async def overview(visit: Visit) -> Response:
    window = window_of(visit.given)
    drawn = charts_of(await visit.cached(("history", window.name), lambda: _history(visit, window)))
    context: dict[str, Any] = {}
    if visit.wants("live"):
        context = await visit.cached("overview", lambda: _now(visit))
        context |= {"health": await visit.services.doctor.health(), "where": WHERE}
        context["shown"] = MOST_TROUBLES
    return visit.page(
        "overview.html",
        title="Overview",
        window=window,
        windows_known=tuple(WINDOWS),
        drawn=drawn if visit.wants("charts") else [],
        now=bool(context),
        **context,
    )


async def _history(visit: Visit, window: Window) -> History:
    async with visit.look() as session:
        return await history_of(session, window)


async def _now(visit: Visit) -> dict[str, Any]:
    async with visit.look() as session:
        lanes = await lanes_of(session)
        lately = await history_of(session, LATELY)
        return {
            "lanes": lanes,
            "busiest": _busiest(lanes),
            "rate": rate(lately.ended / (LATELY.length.total_seconds() / 60)),
            "failing": share(lately.failed, lately.ended),
            "fails": lately.failed * 20 >= lately.ended > 0,
            "crew": await session.row(WORKERS),
            "ticks": await session.rows(TICKS),
            "groups": _groups(await session.rows(GROUPS)),
        }


def _busiest(lanes: Lanes) -> list[dict[str, Any]]:
    """The queues where most waits and runs."""

    def load(row: dict[str, Any]) -> tuple[int, int]:
        return (row["queued"] + row["blocked"], row["running"])

    return sorted(lanes.rows, key=load, reverse=True)[:SHOWN]


def _groups(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest errors of each group: messages differ within one."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        first = found.setdefault((row["fingerprint"], row["task"]), {**row, "failures": 0})
        first["failures"] += row["failures"]
    return list(found.values())[:SHOWN]


def routes() -> list[BaseRoute]:
    return [Route("/", overview)]
