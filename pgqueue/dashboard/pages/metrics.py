"""What Prometheus reads: the database's own figures, for whom the dashboard lets in."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...errors import UsageError
from ...metrics import database_registry, exposition
from ..visit import Visit, page


@page
async def metrics(visit: Visit) -> Response:
    services = visit.services
    try:
        if services.registry is None:
            services.registry = database_registry(services.database.dsn)
        body, kind = await asyncio.to_thread(exposition, services.registry)
    except UsageError as error:
        raise HTTPException(501, str(error)) from None
    return Response(body, headers={"content-type": kind})


def routes() -> list[BaseRoute]:
    return [Route("/metrics", metrics)]
