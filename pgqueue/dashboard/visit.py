"""One request of one visitor: what a page is made with."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from .access import Role, Visitor
from .database import MAY_ONLY_LOOK, Session
from .given import Given, read_form
from .search import quoted
from .services import Services

T = TypeVar("T")
FORM = "application/x-www-form-urlencoded"
PAGES = (
    ("", "Overview", "o"),
    ("jobs", "Jobs", "j"),
    ("errors", "Errors", "e"),
    ("queues", "Queues", "q"),
    ("tasks", "Tasks", "t"),
    ("schedules", "Schedules", "c"),
    ("workers", "Workers", "w"),
    ("database", "Database", "d"),
    ("operations", "Operations", "p"),
    ("audit", "Audit", "a"),
)
"""The pages by path, with their names and the key that follows `g`."""


class Visit:
    """What a page may know of its request, and how it answers."""

    def __init__(self, services: Services, request: Request, visitor: Visitor) -> None:
        self.services = services
        self.request = request
        self.visitor = visitor

    # Asking

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the URL, the last of each name."""
        return dict(self.request.query_params)

    @property
    def given(self) -> Given:
        """The same, checked when they are asked for."""
        return Given(self.request.query_params.multi_items())

    async def form(self) -> Given:
        """The fields of what was posted."""
        body = await self.request.body()
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind != FORM:  # read as something else its fields would be lost, unnoticed
            raise HTTPException(415, f"A form is sent as {FORM}.")
        return read_form(body)

    def name(self, what: str, most: int = 200) -> str:
        """The name that the path ends with. What is too long for one is not there."""
        name: str = self.request.path_params["name"]
        if not name or "\0" in name or len(name.encode(errors="replace")) > most:
            raise HTTPException(404, f"There is no {what} of this name.")
        return name

    @property
    def url(self) -> str:
        """The path and the parameters of this page, as a link."""
        query = self.request.scope.get("query_string", b"").decode("latin-1")
        return quote(self.request.scope["path"]) + (f"?{query}" if query else "")

    def wants(self, region: str) -> bool:
        """Whether a whole page is asked for, or this region of it."""
        target = self.request.headers.get("hx-target")
        return target is None or target.rpartition("#")[2] == region

    async def cached(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """An answer that may be some moments old where it is expensive to find."""
        return await self.services.cache.get(question, find)

    def look(self) -> AbstractAsyncContextManager[Session]:
        """A transaction that can only read."""
        return self.services.database.look()

    def may(self, role: Role) -> bool:
        """Whether to offer what takes this role."""
        return self.visitor.may(role) and not self.services.read_only

    def demand(self, role: Role) -> None:
        """Refuse the request unless the visitor has this role, and there is something to change."""
        if not self.visitor.may(role):
            raise HTTPException(403, f"This takes the role {role}; you are {self.visitor.role}.")
        if not self.services.database.can_write:
            raise HTTPException(403, MAY_ONLY_LOOK)
        if self.services.read_only:
            raise HTTPException(403, "This dashboard only reads.")

    # Answering

    def path(self, path: str = "", **query: str | int | None) -> str:
        """A link within the dashboard, wherever it is mounted."""
        given = {name: value for name, value in query.items() if value not in (None, "")}
        root = self.request.scope.get("root_path", "").rstrip("/")
        return f"{root}/{path}" + (f"?{urlencode(given)}" if given else "")

    def jobs(self, **terms: str) -> str:
        """A link to the jobs that match these terms of the search box."""
        return self.path("jobs", q=" ".join(f"{name}:{quoted(terms[name])}" for name in terms))

    def page(self, template: str, *, title: str, status: int = 200, **context: Any) -> Response:
        """A whole page. Its region `live` is fetched again whenever something changes."""
        text = self.services.templates.get_template(template).render(
            visit=self,
            title=title,
            pages=PAGES,
            here=self.request.scope["path"].removeprefix(self.path()).split("/")[0],
            told=self.request.query_params.get("told", "")[:500],
            theme=_one_of(self.request.cookies.get("pgqueue_theme"), "light", "dark"),
            **context,
        )
        return HTMLResponse(text, status)

    def back(self, path: str, told: str, **query: str | int | None) -> Response:
        """Go to a page that says what was done."""
        return RedirectResponse(self.path(path, told=told, **query), 303)


Handler = Callable[[Visit], Awaitable[Response]]


def page(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A page as a route knows it."""

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        visit: Visit = request.state.visit
        return await handler(visit)

    return answer


def named(pages: str, name: str) -> str:
    """The path of the page of one thing among many."""
    return f"{pages}/{quote(name)}"


def _one_of(value: str | None, *known: str) -> str:
    return value if value in known else ""
