"""The stream of events that tells a page to ask again."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette.sse import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..visit import Visit, page


@page
async def changes(visit: Visit) -> Response:
    live = visit.services.live
    if visit.services.follows == "poll" or live.is_full:
        raise HTTPException(503, "There is no stream now; pages ask by themselves.")

    async def events() -> AsyncIterator[dict[str, str]]:
        async for _ in live.changes():
            yield {"event": "changed", "data": ""}

    return EventSourceResponse(events(), ping=15)


def routes() -> list[BaseRoute]:
    return [Route("/changes", changes)]
