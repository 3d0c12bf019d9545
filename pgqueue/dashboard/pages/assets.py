"""Style, script and vendored libraries, as browsers ask for them."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..assets import assets
from ..visit import Visit, page


@page
async def asset(visit: Visit) -> Response:
    found = assets().get(visit.request.path_params["name"])
    if found is None:
        raise HTTPException(404, "There is no such file.")
    headers = {"cache-control": "private, max-age=31536000, immutable"}
    if visit.request.query_params.get("v") != found.version:
        headers = {"cache-control": "no-cache"}
    return Response(found.body, headers=headers, media_type=found.media_type)


def routes() -> list[BaseRoute]:
    return [Route("/static/{name:path}", asset)]
