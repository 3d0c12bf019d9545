"""Workers: who they are, what each runs now, what was rescued from lost ones, and what is asked of
them, which their next heartbeat reads.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...wording import WISHES
from ..acts import Act, Done, act
from ..database import Row, Session
from ..given import Given
from ..lanes import BY_INDEX
from ..search import LARGEST_ID
from ..visit import Visit, page

MOST = 200
RUNNING_SHOWN = 10
WORKERS = """
SELECT now() AS now, w.id, w.name, w.host, w.pid, w.version, w.queues,
       cardinality(w.tasks) AS tasks, w.concurrency, w.running, w.started_at, w.seen_at,
       w.draining_at, w.state, w.lease_expires_at, w.wish, w.wished_at, w.wished_by
FROM pgqueue.workers AS w ORDER BY w.state = 'lost' DESC, w.name, w.id LIMIT %s
"""
RUNNING = """
SELECT r.worker_id, r.id, r.task, r.queue, r.started_at, r.attempt, r.cancel_requested_at
FROM (
    (SELECT head.* FROM unnest(CAST(%(queues)s AS text[])) AS lane(name),
         generate_series(-10, 10) AS line(priority), LATERAL (
         SELECT j.worker_id, j.lease, j.id, j.task, j.queue, j.started_at, j.attempt,
                j.cancel_requested_at
         FROM pgqueue.job j
         WHERE j.queue = lane.name AND j.priority = line.priority AND j.ready_xid IS NOT NULL
         ORDER BY j.ready_xid, j.id LIMIT 200) AS head
     WHERE head.lease IS NOT NULL)
    UNION ALL
    (SELECT j.worker_id, j.lease, j.id, j.task, j.queue, j.started_at, j.attempt,
            j.cancel_requested_at
     FROM unnest(CAST(%(queues)s AS text[])) AS lane(name), LATERAL (
         SELECT g.job_id FROM pgqueue.gate g
         WHERE g.queue = lane.name AND g.state = 'held' LIMIT 500) AS held
     JOIN pgqueue.job j ON j.id = held.job_id
     WHERE j.lease IS NOT NULL AND j.ready_xid IS NULL)
) AS r
ORDER BY r.started_at LIMIT 2000
"""
RESCUED = """
SELECT f.worker_id, f.job_id, f.task, f.queue, f.attempt, f.message, f.failed_at, state.state
FROM (SELECT * FROM pgqueue.failure x WHERE x.failed_at > now() - interval '24 hours'
      ORDER BY x.failed_at DESC LIMIT 10000) AS f
LEFT JOIN LATERAL (SELECT j.state FROM pgqueue.jobs j WHERE j.id = f.job_id LIMIT 1) AS state
    ON true
WHERE f.error_type = 'WorkerLost' ORDER BY f.failed_at DESC LIMIT 25
"""
NAME = "SELECT w.name FROM pgqueue.worker AS w WHERE w.id = %s"
ASK = "SELECT pgqueue.ask_worker(%s, %s, %s)"
ASK_DUMP = "SELECT pgqueue.ask_dump(%s, %s)"
DUMP = """
SELECT d.worker_id, d.asked_at, d.asked_by, d.written_at, d.stacks, w.name, w.state
FROM pgqueue.dump AS d LEFT JOIN pgqueue.workers AS w ON w.id = d.worker_id
WHERE d.worker_id = %s
"""


@page
async def workers(visit: Visit) -> Response:
    context = await visit.cached("workers", lambda: _workers(visit))
    return visit.page("workers.html", title="Workers", shown=RUNNING_SHOWN, most=MOST, **context)


async def _workers(visit: Visit) -> dict[str, Any]:
    async with visit.look() as session:
        rows = await session.rows(WORKERS, [MOST])
        rescued = await session.rows(RESCUED)
        await session.rows(BY_INDEX)
        queues = sorted({queue for row in rows for queue in row["queues"]})[:MOST]
        running = await session.rows(RUNNING, {"queues": queues})
    held: dict[int, list[Row]] = {}
    for job in running:
        held.setdefault(job["worker_id"], []).append(job)
    for row in rows:
        row["jobs"] = held.get(row["id"], [])
    live = [row for row in rows if row["state"] != "lost"]
    return {
        "workers": rows,
        "rescued": rescued,
        "slots": sum(row["concurrency"] for row in live),
        "busy": sum(max(row["running"], len(row["jobs"])) for row in live),
        "live": len(live),
    }


def asking(wish: str) -> Act:
    """Ask the worker of the path for this."""

    async def ask(visit: Visit, session: Session, given: Given) -> Done:
        id, name = await _meant(visit, session)
        if not await session.value(ASK, [id, wish, visit.visitor.name]):
            return Done("workers", f"{name} is lost, or is to stop.")
        target = {"worker": name, "ids": [id], "wish": wish}
        return Done("workers", f"{name} {WISHES[wish]}", "ask_worker", target)

    return ask


async def ask_dump(visit: Visit, session: Session, given: Given) -> Done:
    id, name = await _meant(visit, session)
    if not await session.value(ASK_DUMP, [id, visit.visitor.name]):
        return Done("workers", f"{name} is lost: it cannot say what it does.")
    told = f"{name} answers with its next heartbeat."
    return Done(f"workers/{id}/dump", told, "ask_dump", {"worker": name, "ids": [id]})


async def _meant(visit: Visit, session: Session) -> tuple[int, str]:
    id: int = visit.request.path_params["id"]
    found = await session.row(NAME, [id]) if id <= LARGEST_ID else None
    if found is None:
        raise HTTPException(404, "There is no such worker any more.")
    return id, found["name"]


@page
async def dump(visit: Visit) -> Response:
    """The stacks that a worker was asked for: lines of code, no values."""
    visit.demand("operator")
    id: int = visit.request.path_params["id"]
    async with visit.look() as session:
        found = await session.row(DUMP, [id]) if id <= LARGEST_ID else None
    if found is None:
        raise HTTPException(404, "Nobody asked this worker for its stacks within an hour.")
    title = f"Stacks of {found['name'] or f'worker {id}'}"
    return visit.page("dump.html", title=title, dump=found)


def routes() -> list[BaseRoute]:
    acts = {wish: act("operator")(asking(wish)) for wish in WISHES}
    return [
        Route("/workers", workers),
        Route("/workers/{id:int}/dump", dump, methods=["GET"]),
        Route("/workers/{id:int}/dump", act("operator")(ask_dump), methods=["POST"]),
        *(Route(f"/workers/{{id:int}}/{wish}", acts[wish], methods=["POST"]) for wish in acts),
    ]
