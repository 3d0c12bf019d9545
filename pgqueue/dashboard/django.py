"""The dashboard among the URLs of a Django project: staff only, unless you say otherwise."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from .access import Role, Visitor
from .dashboard import create_dashboard

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from ..application import Application

_VISITOR = "pgqueue.visitor"


def staff(request: HttpRequest) -> Role | None:
    """Superusers are admins, staff are operators, and for others there is nothing here."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_active or not user.is_staff:
        return None
    return "admin" if user.is_superuser else "operator"


def urls(
    app: Application | str,
    *,
    authorize: Callable[[HttpRequest], Role | None] = staff,
    **options: Any,
) -> list[URLPattern]:
    """For `path("ops/jobs/", include(urls(app)))`. `options` are those of `create_dashboard`.

    Django's own CSRF token is not asked for: the dashboard refuses whatever does not come from its
    pages.
    """
    bridge = create_dashboard(app, authorize=_told, **options).as_wsgi()

    def view(request: HttpRequest, rest: str) -> HttpResponse:
        role = authorize(request)
        if role is None:
            raise Http404
        user: Any = getattr(request, "user", None)
        visitor = Visitor(user.get_username() if user else "somebody", role)
        return _answer(bridge, _environment(request, rest, visitor))

    exempt: Any = csrf_exempt(view)
    exempt.bridge = bridge
    return [re_path(r"^(?P<rest>.*)$", exempt, name="pgqueue-dashboard")]


def _told(connection: HTTPConnection) -> Visitor:
    visitor: Visitor = connection.scope["wsgi_environ"][_VISITOR]
    return visitor


def _environment(request: HttpRequest, rest: str, visitor: Visitor) -> dict[str, Any]:
    """The request as WSGI has it, below the path where the URLs are included."""
    body = request.body
    root = request.path.removesuffix(rest).rstrip("/")
    return {
        **{name: value for name, value in request.META.items() if isinstance(value, str)},
        "SCRIPT_NAME": root.encode().decode("latin-1"),
        "PATH_INFO": f"/{rest}".encode().decode("latin-1"),
        "CONTENT_LENGTH": str(len(body)),
        "REQUEST_METHOD": request.method,
        "SERVER_PROTOCOL": request.META.get("SERVER_PROTOCOL", "HTTP/1.1"),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(body),
        _VISITOR: visitor,
    }


def _answer(bridge: Any, environment: dict[str, Any]) -> HttpResponse:
    answer = HttpResponse()

    def start(status: str, headers: list[tuple[str, str]], *exception: Any) -> None:
        answer.status_code = int(status.split()[0])
        del answer.headers["Content-Type"]
        for name, value in headers:
            answer.headers[name] = value

    answer.content = b"".join(bridge(environment, start))
    return answer
