"""One job: what it is, what became of it, why it waits, and what can be done about it."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..actions import ACTIONS
from ..database import Row, Session
from ..finding import DEAD, DONE, SOURCES
from ..gathering import PIN
from ..search import LARGEST_ID
from ..story import flow_in_words, links_of, steps
from ..tree import MOST_TEXT, Shown, read, show
from ..visit import Visit, page

DOCUMENTS = ("args", "result", "progress", "meta")
HIDEABLE = ("args", "result")
NEAR = 2_000
"""Jobs beside one, among which others of its task are looked for."""
RUNS = 50

JOB_QUERY = f"""
SELECT j.id, j.queue, j.task, j.state, j.priority, j.attempt, j.max_attempts, j.run_at,
       j.enqueued_at, j.started_at, j.finished_at, j.tags, j.reason,
       CAST(extract(epoch FROM j.timeout) AS double precision) AS timeout,
       j.cancel_requested_at, j.worker_id, CAST(j.flow AS text) AS flow, now() AS now,
       {
    ", ".join(
        f"left(CAST(j.{name} AS text), {MOST_TEXT}) AS {name}, "
        f"length(CAST(j.{name} AS text)) AS {name}_length"
        for name in DOCUMENTS
    )
},
       w.name AS worker, w.host
FROM pgqueue.jobs j LEFT JOIN pgqueue.worker w ON w.id = j.worker_id
WHERE j.id = %(id)s LIMIT 1
"""
FAILURES = """
SELECT f.id, f.attempt, f.error_type, left(f.message, 20000) AS message,
       left(f.traceback, 100000) AS traceback, f.place, f.started_at, f.failed_at, f.worker_id,
       w.name AS worker
FROM pgqueue.failure f LEFT JOIN pgqueue.worker w ON w.id = f.worker_id
WHERE f.job_id = %(id)s ORDER BY f.id DESC LIMIT 100
"""
ORDERED = """
SELECT (SELECT o.job_id FROM pgqueue.gate o WHERE o.queue = %(queue)s AND o.order_key = %(key)s
        AND o.job_id < %(id)s ORDER BY o.job_id DESC LIMIT 1) AS previous,
       (SELECT o.job_id FROM pgqueue.gate o WHERE o.queue = %(queue)s AND o.order_key = %(key)s
        AND o.job_id > %(id)s ORDER BY o.job_id LIMIT 1) AS next
"""
WHOLE = """
SELECT CAST(j.args AS text) AS args, CAST(j.result AS text) AS result,
       CAST(j.progress AS text) AS progress, CAST(j.meta AS text) AS meta
FROM pgqueue.jobs j WHERE j.id = %(id)s LIMIT 1
"""


def id_of(visit: Visit) -> int:
    """The id in the path, if it can be one."""
    id: int = visit.request.path_params["id"]
    if not 0 <= id <= LARGEST_ID:
        raise HTTPException(404, "There is no job with such an id.")
    return id


@page
async def job(visit: Visit) -> Response:
    id = id_of(visit)
    async with visit.look() as session:
        found = await session.row(JOB_QUERY, {"id": id})
        why = await session.value("SELECT pgqueue.why(%(id)s)", {"id": id})
        if found is None:
            return visit.page("job_absent.html", title=f"Job {id}", status=404, id=id, why=why)
        found["flow"] = _flow(found["flow"])
        failures = await session.rows(FAILURES, {"id": id})
        hidden: list[str] = await session.value(
            "SELECT pgqueue.redactions(%(task)s)", {"task": found["task"]}
        )
        await session.rows(PIN)
        near = await _neighbours(session, found)
        runs = await _runs(session, found["task"])
    return visit.page(
        "job.html",
        title=f"{found['task']} #{id}",
        job=found,
        why=why,
        failures=failures,
        documents=_documents(visit, found, hidden),
        steps=steps(found, failures),
        flow=flow_in_words(found["flow"]),
        near=near,
        runs=runs,
        links=links_of(visit.services.links, found),
        actions=[a for a in ACTIONS.values() if visit.may(a.role) and found["state"] in a.states],
    )


def _flow(text: str | None) -> dict[str, Any]:
    """The options; none where a plain INSERT wrote what nobody can read."""
    found = read(text) if text else None
    return found.value if found is not None and isinstance(found.value, dict) else {}


def _documents(visit: Visit, found: Row, hidden: list[str]) -> dict[str, Shown | None]:
    shown: dict[str, Shown | None] = {}
    for name in DOCUMENTS:
        if name in HIDEABLE and visit.services.hide_args:
            shown[name] = None
        else:
            paths = hidden if name == "args" else ()
            shown[name] = show(found[name], paths, found[f"{name}_length"])
    return shown


async def _neighbours(session: Session, found: Row) -> dict[str, int | None]:
    """The jobs before and after it: of its task among those nearby, and of its order key."""
    near: dict[str, int | None] = {"previous_in_order": None, "next_in_order": None}
    for name, sign, order, best in (("previous", "<", "DESC", max), ("next", ">", "ASC", min)):
        ids = []
        for source in SOURCES:
            query = f"""
                SELECT near.id FROM (
                    SELECT j.id, j.task FROM {source.table} j WHERE j.id {sign} %(id)s
                    ORDER BY j.id {order} LIMIT {NEAR}
                ) AS near WHERE near.task = %(task)s ORDER BY near.id {order} LIMIT 1"""
            row = await session.row(query, {"id": found["id"], "task": found["task"]})
            ids += [row["id"]] if row else []
        near[name] = best(ids, default=None)
    key = found["flow"].get("order_key")
    if isinstance(key, str):
        ordered = await session.row(
            ORDERED, {"queue": found["queue"], "key": key, "id": found["id"]}
        )
        near |= {f"{name}_in_order": id for name, id in (ordered or {}).items()}
    return near


async def _runs(session: Session, task: str) -> list[Row]:
    """The last jobs of the task that ended, the oldest first, among the newest of each table."""
    rows: list[Row] = []
    for source in (DEAD, DONE):
        query = f"""
            SELECT j.id, j.state, j.started_at, j.finished_at FROM (
                SELECT {source.columns} FROM {source.table} j ORDER BY j.id DESC LIMIT {NEAR}
            ) AS j WHERE j.task = %(task)s ORDER BY j.id DESC LIMIT {RUNS}"""
        rows += await session.rows(query, {"task": task})
    rows.sort(key=lambda row: (row["finished_at"], row["id"]))
    return rows[-RUNS:]


@page
async def raw(visit: Visit) -> Response:
    """A document as it is stored, with what is hidden elsewhere: recorded, so it is a POST."""
    id = id_of(visit)
    visit.demand("operator")
    given = await visit.form()
    name = given.one_of("document", DOCUMENTS)
    if name in HIDEABLE and visit.services.hide_args:
        raise HTTPException(403, "Arguments and results are hidden on this dashboard.")
    async with visit.services.database.act() as session:
        found: dict[str, Any] | None = await session.row(WHOLE, {"id": id})
        if found is None or found[name] is None:
            raise HTTPException(404, f"There is no {name} of job {id}.")
        target = {"ids": [id], "document": name}
        await session.record(visit.visitor.name, "read_document", target)
    headers = {"content-disposition": f'attachment; filename="job-{id}-{name}.json"'}
    return Response(found[name], media_type="application/json", headers=headers)


def routes() -> list[BaseRoute]:
    return [
        Route("/jobs/{id:int}", job),
        Route("/jobs/{id:int}/raw", raw, methods=["POST"]),
    ]
