"""Schedules: when they tick, what became of it, and when they tick next."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...redaction import HIDDEN, redacted
from ..acts import Done, act
from ..database import Row, Session
from ..given import Given
from ..times import ticks_of, times_of, trouble_of, words_of
from ..visit import Visit, named, page

MOST = 50
"""Schedules on one page."""
DOTS = 8
SCHEDULES = """
SELECT now() AS now, s.*, coalesce(dots.outcomes, '[]') AS outcomes
FROM (SELECT x.name, x.task, x.queue, x.cron, x.every, x.at, x.timezone, x.args, x.priority,
             x.max_attempts, x.timeout, x.missed, x.most_missed, x.overlap, x.jitter, x.declared,
             x.error, x.paused_at, x.paused_by, x.pause_reason, x.created_at, x.changed_at,
             x.last_tick, CASE WHEN x.paused_at IS NULL AND x.error IS NULL THEN x.next_at END
                 AS next_tick,
             CASE WHEN x.error IS NOT NULL THEN 'broken' WHEN x.paused_at IS NOT NULL THEN 'paused'
                  WHEN x.ended_at IS NOT NULL THEN 'done' ELSE 'active' END AS state,
             EXISTS (SELECT FROM pgqueue.worker w WHERE x.task = ANY (w.tasks)
                     AND w.seen_at + w.lease_for >= now()) AS known
      FROM pgqueue.schedule x
      WHERE x.name = coalesce(%(name)s, x.name) AND x.name > %(after)s
      ORDER BY x.name LIMIT %(most)s) AS s
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('tick', t.tick, 'job', t.job_id, 'note', t.note,
                                        'state', j.state) ORDER BY t.tick) AS outcomes
    FROM (SELECT * FROM pgqueue.tick x WHERE x.schedule = s.name
          ORDER BY x.tick DESC LIMIT %(dots)s) AS t
    LEFT JOIN LATERAL (SELECT x.state FROM pgqueue.jobs x WHERE x.id = t.job_id LIMIT 1) AS j
        ON true) AS dots ON true
ORDER BY s.name
"""
TICKS = """
SELECT t.tick, t.job_id, t.note, t.made_at, j.state
FROM (SELECT * FROM pgqueue.tick x WHERE x.schedule = %s ORDER BY x.tick DESC LIMIT 25) AS t
LEFT JOIN LATERAL (SELECT x.state FROM pgqueue.jobs x WHERE x.id = t.job_id LIMIT 1) AS j ON true
ORDER BY t.tick DESC
"""
REDACTIONS = "SELECT pgqueue.redactions(%s)"
FIND = "SELECT s.task, s.queue, s.declared FROM pgqueue.schedule s WHERE s.name = %s"


@page
async def schedules(visit: Visit) -> Response:
    after = visit.given.text("after") or ""
    rows = await visit.cached(("schedules", after), lambda: _rows(visit, None, after))
    return visit.page("schedules.html", title="Schedules", schedules=rows, most=MOST)


@page
async def schedule(visit: Visit) -> Response:
    name = visit.name("schedule")
    rows = await visit.cached(("schedule", name), lambda: _rows(visit, name, ""))
    if not rows:
        text = f"There is no schedule “{name}”. One that a task declares is made by a worker."
        raise HTTPException(404, text)
    async with visit.look() as session:
        ticks = await session.rows(TICKS, [name])
        paths = await session.value(REDACTIONS, [rows[0]["task"]])
    args = HIDDEN if visit.services.hide_args else redacted(rows[0]["args"], paths)
    return visit.page("schedule.html", title=name, schedule=rows[0], ticks=ticks, args=args)


async def _rows(visit: Visit, name: str | None, after: str) -> list[Row]:
    async with visit.look() as session:
        asked = {"name": name, "after": after, "most": MOST, "dots": DOTS}
        rows = await session.rows(SCHEDULES, asked)
    for row in rows:
        row["times"], row["words"] = times_of(row), words_of(row)
        row["trouble"] = trouble_of(row, row["now"])
        runs = row["state"] in ("active", "paused")
        row["ticks"] = ticks_of(row, row["now"]) if runs and name else []
    return rows


@act("operator")
async def run(visit: Visit, session: Session, given: Given) -> Done:
    name, path, _ = await _found(visit, session)
    (ran,) = await session.rows("SELECT job_id, created FROM pgqueue.run_schedule(%s)", [name])
    job, made = ran["job_id"], ran["created"]
    told = f"Made job #{job}." if made else f"Made no job: #{job} has its unique key."
    return Done(path, told, "run_schedule", {"schedule": name, "id": job}, int(made))


@act("operator")
async def pause(visit: Visit, session: Session, given: Given) -> Done:
    name, path, _ = await _found(visit, session)
    reason = given.text("reason", 500)
    query = "SELECT pgqueue.pause_schedule(%s, %s, %s)"
    await session.value(query, [name, reason, visit.visitor.name])
    told = f"{name} is paused: it ticks no more until somebody resumes it."
    return Done(path, told, "pause_schedule", {"schedule": name}, reason=reason)


@act("operator")
async def resume(visit: Visit, session: Session, given: Given) -> Done:
    name, path, _ = await _found(visit, session)
    if not await session.value("SELECT pgqueue.resume_schedule(%s)", [name]):
        return Done(path, f"{name} was not paused.")
    return Done(path, f"{name} ticks again.", "resume_schedule", {"schedule": name})


@act("admin")
async def delete(visit: Visit, session: Session, given: Given) -> Done:
    name, _, row = await _found(visit, session)
    if row["declared"]:
        text = f"“{name}” is declared in the code, which would make it anew. Pause it instead."
        raise HTTPException(409, text)
    await session.value("SELECT pgqueue.delete_schedule(%s)", [name])
    target: dict[str, Any] = {"schedule": name, "task": row["task"], "queue": row["queue"]}
    told = f"Deleted {name}. The jobs that it made stay."
    return Done("schedules", told, "delete_schedule", target, reason=given.text("reason", 500))


async def _found(visit: Visit, session: Session) -> tuple[str, str, Row]:
    """The name of a schedule that is there, its path and its row."""
    name = visit.name("schedule")
    row = await session.row(FIND, [name])
    if row is None:
        raise HTTPException(404, f"There is no schedule “{name}” any more.")
    return name, named("schedules", name), row


def routes() -> list[BaseRoute]:
    acts = {"run": run, "pause": pause, "resume": resume, "delete": delete}
    return [
        Route("/schedules", schedules),
        *(Route(f"/schedules/{{name:path}}/{verb}", acts[verb], methods=["POST"]) for verb in acts),
        Route("/schedules/{name:path}", schedule),
    ]
