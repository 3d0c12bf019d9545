"""Operations: what is being done to many jobs, how far it is, and how to stop or resume it."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..actions import ACTIONS
from ..acts import Done, act
from ..database import Row, Session
from ..given import Given
from ..operations import LAST, ONE, STOP
from ..search import LARGEST_ID
from ..visit import Visit, page


@page
async def operations(visit: Visit) -> Response:
    async with visit.look() as session:
        found = await session.rows(LAST)
    for row in found:
        row["role"] = _role(row)
    return visit.page("operations.html", title="Operations", operations=found, actions=ACTIONS)


def _role(operation: Row) -> str:
    action = ACTIONS.get(operation["action"])
    return action.role if action else "admin"


async def _one(visit: Visit, session: Session) -> Row:
    """The operation that is meant, if the visitor may act as it does."""
    id = visit.request.path_params["id"]
    found = await session.row(ONE, {"id": id}) if id <= LARGEST_ID else None
    if found is None:
        raise HTTPException(
            404, "There is no such operation; those that are over go after 90 days."
        )
    visit.demand(ACTIONS[found["action"]].role)
    return found


@act("operator")
async def stop(visit: Visit, session: Session, given: Given) -> Done:
    id = (await _one(visit, session))["id"]
    if await session.value(STOP, {"id": id}):
        told = f"Operation {id} is stopped; what was done stays done."
        return Done("operations", told, "stop_operation", {"operation": id})
    return Done("operations", f"Operation {id} was over already.")


@page
async def resume(visit: Visit) -> Response:
    async with visit.look() as session:
        found = await _one(visit, session)
    begun = await visit.services.operations.begin(found["id"], visit.visitor.name)
    word = "goes on here" if begun else "is over, or somebody else works on it"
    return visit.back("operations", f"Operation {found['id']} {word}.")


def routes() -> list[BaseRoute]:
    return [
        Route("/operations", operations),
        Route("/operations/{id:int}/stop", stop, methods=["POST"]),
        Route("/operations/{id:int}/resume", resume, methods=["POST"]),
    ]
