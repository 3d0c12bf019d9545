"""Actions on jobs: first a page that says what would happen, then what does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..actions import ACTIONS, AT_ONCE, MOST, Action, act_on, stored
from ..acts import Done, act
from ..database import Session
from ..finding import Matching, Span, find_matching, find_page
from ..given import Given, refused
from ..moments import SHAPES
from ..operations import order
from ..search import LARGEST_ID, LONGEST, Search, SearchError, Term
from ..visit import Visit, page
from .jobs import read_search

MOST_REASON = 500
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """Which jobs are meant: some by id, or all that a search finds, up to the newest id then."""

    action: Action
    search: Search
    ids: list[int]
    states: list[str]
    """Those that jobs were in when they were counted: who is in another by now is left alone."""
    newest: int | None
    counted: int

    @property
    def target(self) -> dict[str, Any]:
        """What stands in the audit."""
        return {"ids": self.ids[:100]} if self.ids else {"search": self.search.text}


@page
async def preview(visit: Visit) -> Response:
    asked = _asked(visit, visit.given)
    visit.demand(asked.action.role)
    async with visit.look() as session:
        matching = await find_matching(session, asked.search, asked.states, MOST)
        shown = Search("", _terms(matching.ids[-SAMPLE:]))
        sample = await find_page(session, shown, Span()) if matching.ids else None
    return visit.page(
        "act.html",
        title=f"{asked.action.label}: {told(len(matching.ids))}",
        asked=asked,
        matching=matching,
        left=len(asked.ids) - len(matching.ids) if asked.ids else 0,
        sample=sample.rows if sample else [],
        newest=matching.ids[-1] if matching.ids else 0,
        at_once=AT_ONCE,
        most=MOST,
        most_reason=MOST_REASON,
        shapes=SHAPES,
    )


@act("operator")
async def change(visit: Visit, session: Session, given: Given) -> Done:
    """Few jobs at once; more are noted, and worked on afterwards."""
    asked = _asked(visit, given)
    visit.demand(asked.action.role)
    parameters = _parameters(asked.action, given)
    matching = await find_matching(session, asked.search, asked.states, MOST, asked.newest)
    if len(matching.ids) > AT_ONCE:
        return await _order(session, visit, asked, matching, parameters)
    states = list(matching.states)
    done = await act_on(session, asked.action, matching.ids, states, parameters)
    page, search = _page(asked, done)
    return Done(
        page,
        _told(asked, len(matching.ids), done),
        asked.action.function,
        asked.target | stored(parameters),
        jobs=done,
        reason=parameters["reason"],
        search=search,
    )


async def _order(
    session: Session,
    visit: Visit,
    asked: Asked,
    matching: Matching,
    parameters: dict[str, Any],
) -> Done:
    number = await order(
        session,
        asked.action,
        asked.search.text,
        parameters,
        visit.visitor.name,
        matching.ids,
        list(matching.states),
    )
    return Done(
        "operations",
        f"Operation {number} is under way.",
        asked.action.function,
        asked.target | stored(parameters) | {"operation": number},
        jobs=len(matching.ids),
        reason=parameters["reason"],
        operation=number,
    )


def _asked(visit: Visit, given: Given) -> Asked:
    action = ACTIONS[given.one_of("action", tuple(ACTIONS))]
    shared: dict[str, Any] = {
        "states": given.some_of("state", action.states) or list(action.states),
        "newest": given.number("newest", 0, LARGEST_ID),
        "counted": given.number("counted", 0, MOST) or 0,
    }
    if given.text("all"):
        try:
            search = read_search(visit, given.text("q", LONGEST) or "")
        except SearchError as error:
            raise refused(f"q: {error.message}") from None
        return Asked(action, search, [], **shared)
    ids = given.ids("id", AT_ONCE)
    if not ids:
        raise refused("No job is selected: mark some, or all that match.")
    return Asked(action, Search("", _terms(ids)), ids, **shared)


def _terms(ids: Sequence[int]) -> tuple[Term, ...]:
    return tuple(Term("id", str(id), (), f"id:{id}") for id in ids)


def _parameters(action: Action, given: Given) -> dict[str, Any]:
    found: dict[str, Any] = {"reason": given.text("reason", MOST_REASON)}
    if action.needs == "priority":
        found["priority"] = given.demanded("priority", -10, 10)
    if action.needs == "run_at":
        found["run_at"] = given.instant("run_at")
        if found["run_at"] is None:
            raise refused(f"run_at is missing: {SHAPES}.")
        if found["run_at"] <= datetime.now(UTC):
            raise refused(
                "run_at lies in the past: jobs that are to run now have an action of that name."
            )
    return found


def told(number: int) -> str:
    return f"{number:,} job{'' if number == 1 else 's'}"


def _told(asked: Asked, matched: int, done: int) -> str:
    text = f"{asked.action.told} {told(done)}."
    passed = max(matched, len(asked.ids), asked.counted) - done
    if not passed:
        return text
    why = "their state had changed, or another job has their key"
    return f"{text} Left alone, because {why}: {passed:,}."


def _page(asked: Asked, done: int) -> tuple[str, str | None]:
    """Where one goes on: to the one job, or to those that the search finds now."""
    if len(asked.ids) == 1 and not (asked.action.name == "delete" and done):
        return f"jobs/{asked.ids[0]}", None
    return "jobs", asked.search.text


def routes() -> list[BaseRoute]:
    return [
        Route("/jobs/act", preview, methods=["GET"]),
        Route("/jobs/act", change, methods=["POST"]),
    ]
