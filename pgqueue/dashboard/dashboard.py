"""The dashboard as an ASGI application: its parts, put together."""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..database.dsn import checked_dsn
from ..errors import SchemaError
from .access import ROLES, Access, Authorize, TooManyTries, Unauthorized, Visitor
from .bridge import Bridge
from .database import LONGEST
from .guard import Guard
from .pages import routes
from .services import Services
from .visit import Visit

if TYPE_CHECKING:
    from ..application import Application

LOG = logging.getLogger("pgqueue.dashboard")


class Dashboard:
    """An ASGI application. Mount it under any path, or serve it alone: `pgqueue dashboard`."""

    def __init__(
        self,
        dsn: str,
        access: Access | Authorize,
        *,
        hosts: Iterable[str] | None,
        read_only: bool,
        hide_args: bool,
        links: Mapping[str, str],
        back_url: str | None,
        live: Literal["events", "poll"],
    ) -> None:
        self.services = Services(
            dsn,
            read_only=read_only,
            hide_args=hide_args,
            links=links,
            back_url=back_url,
            live=live,
        )
        self._access = access
        handlers: dict[Any, Any] = {
            HTTPException: self._http_error,
            SchemaError: self._no_schema,
            psycopg.errors.QueryCanceled: self._too_long,
            psycopg.OperationalError: self._no_database,
            PoolTimeout: self._no_database,
            Exception: self._error,
        }
        pages = Starlette(routes=routes(), exception_handlers=handlers)
        pages.router.redirect_slashes = (
            False  # it would name a host, which a proxy may have changed
        )
        self._app: ASGIApp = Guard(_Entrance(self, pages), hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._app(scope, receive, send)

    def as_wsgi(self) -> Any:
        """The same for WSGI applications as Flask and Django. Pages then ask again every few
        seconds: an open stream would take a thread of the server for each.
        """
        self.services.follows = "poll"
        return Bridge(self)

    async def close(self) -> None:
        """Close its connections. They open again when they are needed."""
        await self.services.close()

    async def visitor(self, request: Request) -> Visitor | None:
        """Who sent the request; None if there is nothing here for them. Raises Unauthorized."""
        if isinstance(self._access, Access):
            return self._access.visitor(request)
        found = self._access(request)
        if inspect.isawaitable(found):
            found = await found
        if found is None or isinstance(found, Visitor):
            return found
        if found not in ROLES:
            raise TypeError(f"authorize returns one of {', '.join(ROLES)} or None, got {found!r}")
        user = request.scope.get("user")
        return Visitor(str(getattr(user, "display_name", None) or user or "somebody"), found)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    # Errors

    async def _http_error(self, request: Request, error: HTTPException) -> Response:
        return self._say(request, error.status_code, error.detail)

    async def _no_schema(self, request: Request, error: SchemaError) -> Response:
        return self._say(request, 503, str(error))

    async def _too_long(self, request: Request, error: Exception) -> Response:
        text = f"This takes longer than {LONGEST}. Narrow it: name a state, a queue or a time."
        return self._say(request, 503, text)

    async def _no_database(self, request: Request, error: Exception) -> Response:
        number = _log(error)
        return self._say(
            request, 503, f"The database does not answer. The log knows more: {number}"
        )

    async def _error(self, request: Request, error: Exception) -> Response:
        number = _log(error)
        return self._say(request, 500, f"This page failed. The log knows more: {number}")

    def _say(self, request: Request, status: int, text: str) -> Response:
        visit: Visit | None = getattr(request.state, "visit", None)
        if visit is None:
            return PlainTextResponse(text + "\n", status)
        return visit.page("error.html", title=f"Error {status}", status=status, text=text)


class _Entrance:
    """Lets in whom the access knows, for every path there is and every one there is not."""

    def __init__(self, dashboard: Dashboard, app: ASGIApp) -> None:
        self._dashboard = dashboard
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        refusal: Response
        try:
            visitor = await self._dashboard.visitor(request)
        except Unauthorized:
            refusal = PlainTextResponse(
                "A name and a password are needed.\n",
                401,
                {"www-authenticate": 'Basic realm="pgqueue", charset="UTF-8"'},
            )
        except TooManyTries:
            refusal = PlainTextResponse("Too many tries.\n", 429, {"retry-after": "60"})
        else:
            if visitor is not None:
                request.state.visit = Visit(self._dashboard.services, request, visitor)
                await self._app(scope, receive, send)
                return
            refusal = PlainTextResponse("Not found.\n", 404)
        await refusal(scope, receive, send)


def create_dashboard(
    app: Application | str,
    *,
    authorize: Authorize | None = None,
    hosts: Iterable[str] | None = None,
    read_only: bool = False,
    hide_args: bool = False,
    links: Mapping[str, str] | None = None,
    back_url: str | None = None,
    live: Literal["events", "poll"] = "events",
) -> Dashboard:
    """A dashboard to mount in FastAPI, Starlette, Flask or Django, under any path.

    `app` is your `PgQueue` or a DSN. `authorize(request)` returns "viewer", "operator" or "admin",
    or a `Visitor` whose name stands in the audit, or None for whom there is nothing here; without
    it nobody gets in. `hosts` are the names that it may be reached by; None leaves that to the
    application around it. `links` add a link to each job, as {"logs": "https://logs.example/{job.id}"}.
    `back_url` leads out of the dashboard.
    """
    dsn = app if isinstance(app, str) else app.dsn
    return Dashboard(
        checked_dsn(dsn),
        authorize or _nobody,
        hosts=hosts,
        read_only=read_only,
        hide_args=hide_args,
        links=links or {},
        back_url=back_url,
        live=live,
    )


def _nobody(request: object) -> None:
    return None


def _log(error: Exception) -> str:
    """Write the error where only operators of the server look, under a number for the page."""
    number = secrets.token_hex(4)
    LOG.error("error %s", number, exc_info=error)
    return number
