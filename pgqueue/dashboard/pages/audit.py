"""The audit: who did what, when, to how much, and why."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..database import Row
from ..given import Given
from ..rendering import instant
from ..search import LARGEST_ID
from ..visit import Visit, page

MOST = 50
MOST_EXPORTED = 10_000
SINCE = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
RECORDS = """
SELECT a.id, a.at, a.actor, a.via, a.action, a.target, a.jobs, a.reason
FROM pgqueue.audit_log AS a
WHERE a.id < %(before)s AND a.at > now() - %(since)s
  AND a.actor = coalesce(%(actor)s, a.actor) AND a.action = coalesce(%(action)s, a.action)
ORDER BY a.id DESC LIMIT %(most)s
"""
ACTIONS = """
SELECT DISTINCT a.action FROM (
    SELECT x.action FROM pgqueue.audit_log x ORDER BY x.id DESC LIMIT 5000) AS a ORDER BY 1
"""
COLUMNS = ("id", "at", "actor", "via", "action", "target", "jobs", "reason")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*(Z|[+-]\d\d:?\d\d)$")
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would take for a formula."""


@page
async def audit(visit: Visit) -> Response:
    asked = _asked(visit.given)
    async with visit.look() as session:
        rows = await session.rows(RECORDS, {**asked, "most": MOST + 1})
        actions = [row["action"] for row in await session.rows(ACTIONS)]
    for row in rows:
        row["words"] = _words(row["target"])
    return visit.page(
        "audit.html",
        title="Audit",
        records=rows[:MOST],
        older=rows[MOST - 1]["id"] if len(rows) > MOST else None,
        actions=actions,
        spans=tuple(SINCE),
        actor=asked["actor"],
        action=asked["action"],
        since=visit.query.get("since") or "30d",
        before=visit.query.get("before"),
    )


@page
async def as_csv(visit: Visit) -> Response:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in await _exported(visit):
        cells = {**row, "at": row["at"].isoformat(), "target": json.dumps(row["target"])}
        writer.writerow([_harmless(cells[name]) for name in COLUMNS])
    return _file(text.getvalue(), "csv", "text/csv")


@page
async def as_json(visit: Visit) -> Response:
    items = [{**row, "at": row["at"].isoformat()} for row in await _exported(visit)]
    return _file(json.dumps({"items": items}, ensure_ascii=False), "json", "application/json")


async def _exported(visit: Visit) -> list[Row]:
    async with visit.look() as session:
        return await session.rows(RECORDS, {**_asked(visit.given), "most": MOST_EXPORTED})


def _asked(given: Given) -> dict[str, Any]:
    return {
        "actor": given.text("actor"),
        "action": given.text("action"),
        "since": SINCE[given.one_of("since", tuple(SINCE), "30d")],
        "before": given.number("before", 1, LARGEST_ID) or LARGEST_ID,
    }


def _words(target: dict[str, Any]) -> list[tuple[str, str]]:
    """What it was done to, by name; what is long is cut, and stands whole in the export."""
    pairs: Iterable[tuple[str, Any]] = target.items() if isinstance(target, dict) else ()
    shown = [(name, _word(value)) for name, value in pairs]
    return [(name[:60], text if len(text) <= 120 else text[:119] + "…") for name, text in shown[:8]]


def _word(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if INSTANT.match(value) is None:
        return value
    try:
        return instant(datetime.fromisoformat(value))
    except ValueError:
        return value


def _harmless(cell: Any) -> Any:
    """A spreadsheet takes a cell that begins with an apostrophe for text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(RISKY) else cell


def _file(text: str, kind: str, media_type: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="pgqueue-audit.{kind}"'}
    return Response(text, headers=headers, media_type=media_type)


def routes() -> list[BaseRoute]:
    return [Route("/audit", audit), Route("/audit.csv", as_csv), Route("/audit.json", as_json)]
