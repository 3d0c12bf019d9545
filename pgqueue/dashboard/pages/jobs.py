"""The list of jobs: the URL is the filter, in the language of the search box."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..actions import ACTIONS, Action
from ..database import Row, Session
from ..finding import Page, Span, count_matching, find_page
from ..gathering import HEAD, REPORTED, Count, counts
from ..search import FIELDS, LARGEST_ID, LONGEST, STATES, Search, SearchError, parse, quoted
from ..visit import Visit, page

LAST_ERRORS = """
SELECT DISTINCT ON (f.job_id) f.job_id, left(f.error_type || ': ' || f.message, 300) AS error
FROM pgqueue.failure f WHERE f.job_id = ANY (%(ids)s) ORDER BY f.job_id, f.id DESC
"""
QUEUES = "SELECT name FROM pgqueue.queue ORDER BY name LIMIT 200"
TASKS = """
SELECT name FROM pgqueue.tasks
UNION SELECT task FROM pgqueue.worker w, unnest(w.tasks) AS task ORDER BY 1 LIMIT 500
"""
SHORT = ("state", "queue", "task", "tag", "id", "worker", "error", "after")
"""Parameters that may stand instead of q, for links from elsewhere: /jobs?queue=email."""


def read_search(visit: Visit, text: str) -> Search:
    """The search, unless it looks into arguments that are hidden here. Raises SearchError."""
    search = parse(text)
    if visit.services.hide_args and search.values("args"):
        raise SearchError("Arguments are hidden on this dashboard.", 0, len(text))
    return search


@page
async def jobs(visit: Visit) -> Response:
    given = visit.given
    if "q" not in given.typed and any(name in given.typed for name in SHORT):
        return _spelt_out(visit)
    text = given.typed.get("q", "")
    older, newer = given.number("older", 0, LARGEST_ID), given.number("newer", 0, LARGEST_ID)
    try:
        search = read_search(visit, text)
    except SearchError as error:
        return _refused(visit, text, error)
    numbers = await _numbers(visit, search)
    span = Span(newer, backwards=False) if newer is not None else Span(older)
    async with visit.look() as session:
        found = await find_page(session, search, span)
        errors = await last_errors(session, found.rows)
        unseen = await _unseen(session, search, numbers)
        now: datetime = await session.value("SELECT now()")
    return visit.page(
        "jobs.html",
        title="Jobs",
        search=search,
        error=None,
        found=found,
        marks=_marks(found),
        tabs=_tabs(search, numbers),
        errors=errors,
        actions=_offered(visit, search),
        now=now,
        unseen=unseen,
        fields=FIELDS,
    )


def _spelt_out(visit: Visit) -> Response:
    """The same filter in the language of the search box."""
    pairs = visit.request.query_params.multi_items()
    text = " ".join(f"{name}:{quoted(value)}" for name, value in pairs if name in SHORT and value)
    return RedirectResponse(visit.path("jobs", q=text), 303)


def _refused(visit: Visit, text: str, error: SearchError) -> Response:
    shown = text[:LONGEST]
    parts = shown[: error.start], shown[error.start : error.end], shown[error.end :]
    return visit.page(
        "jobs_refused.html", title="Jobs", status=400, text=shown, error=error, parts=parts
    )


async def _numbers(visit: Visit, search: Search) -> Mapping[str, Count]:
    """How many there are by state: the same for every tab, and for everybody who looks."""

    async def find() -> Mapping[str, Count]:
        async with visit.look() as session:
            if search.only_states:
                return await counts(session)
            return await count_matching(session, search)

    return await visit.cached(("jobs", search.with_state(None)), find)


async def last_errors(session: Session, rows: list[Row]) -> dict[int, str]:
    """What ended each of these jobs, or failed its last attempt, by id."""
    errors = {row["id"]: row["reason"] for row in rows if row["reason"]}
    asked = [
        row["id"]
        for row in rows
        if row["attempt"] and row["state"] != "succeeded" and row["id"] not in errors
    ]
    if asked:
        found = await session.rows(LAST_ERRORS, {"ids": asked})
        errors |= {row["job_id"]: row["error"] for row in found}
    return errors


async def _unseen(session: Session, search: Search, numbers: Mapping[str, Count]) -> str | None:
    """What to say where running jobs may lie behind the heads of their lines."""
    if search.states != ("running",) or numbers["running"].more:
        return None
    reported = int(await session.value(REPORTED))
    if reported <= numbers["running"].number or not search.only_states:
        return None
    return (
        f"Running jobs are looked for among the first {HEAD:,} of each line; "
        f"the workers report {reported:,}."
    )


def _tabs(search: Search, numbers: Mapping[str, Count]) -> list[dict[str, Any]]:
    """Each state with its search and its number; then all of them."""
    named = search.values("state")
    tabs = [
        {
            "state": state,
            "q": search.with_state(state),
            "number": numbers.get(state, Count(0)),
            "here": named == [state],
        }
        for state in STATES
    ]
    return [
        {"state": "all", "q": search.with_state(None), "number": None, "here": not named},
        *tabs,
    ]


def _offered(visit: Visit, search: Search) -> list[Action]:
    return [
        action
        for action in ACTIONS.values()
        if visit.may(action.role) and set(action.states) & set(search.states)
    ]


def _marks(found: Page) -> dict[str, int | None]:
    return {"older": found.older, "newer": found.newer}


@page
async def completions(visit: Visit) -> Response:
    """Whole texts that the search may become, for the last word of it."""
    text = visit.given.text("text", LONGEST) or ""
    head, _, word = text.rpartition(" ")
    field, colon, _ = word.partition(":")
    if not colon:
        words = [f"{name}:" for name in (*FIELDS, "args.")]
    else:
        async with visit.look() as session:
            words = [f"{field}:{quoted(name)}" for name in await _known(session, field)]
    before = head + " " if head else ""
    near = [before + found for found in words if _begins(found, word) and found != word]
    return JSONResponse(near[:20])


def _begins(found: str, word: str) -> bool:
    """Whether somebody who typed the word may be on the way there; quotes come by themselves."""
    return found.replace('"', "").lower().startswith(word.replace('"', "").lower())


async def _known(session: Session, field: str) -> list[str]:
    if field == "state":
        return list(STATES)
    if field in ("after", "before"):
        return ["-15m", "-1h", "-24h", "-7d"]
    query = {"queue": QUEUES, "task": TASKS, "worker": WORKERS}.get(field)
    return [row["name"] for row in await session.rows(query)] if query else []


WORKERS = "SELECT DISTINCT name FROM (SELECT name FROM pgqueue.worker LIMIT 1000) AS w ORDER BY 1"


def routes() -> list[BaseRoute]:
    return [Route("/jobs", jobs), Route("/jobs/complete", completions)]
