"""The dashboard inside of other applications, under any prefix."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import django
import flask
import httpx
import psycopg
import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from pgqueue import PgQueue
from pgqueue.dashboard import Visitor, create_dashboard
from pgqueue.dashboard.django import staff, urls
from tests.support.dashboards import SAME_ORIGIN

Connection = psycopg.Connection[Any]


def admin(request: Any) -> Visitor:
    return Visitor("ann", "admin")


def check(http: httpx.Client, root: str) -> None:
    """The page, its style and what it says of unknown paths, all below the prefix."""
    answer = http.get(f"{root}/")
    assert answer.status_code == 200
    assert f'href="{root}/jobs"' in answer.text
    assert ">ann " in answer.text
    assert http.get(f"{root}/static/dashboard.css").headers["content-type"].startswith("text/css")
    assert http.get(f"{root}/nowhere").status_code == 404
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert http.post(f"{root}/", headers={"sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("prefix", ["/ops", "/a/b/c"])
@pytest.mark.parametrize("kind", ["FastAPI", "Starlette"])
async def test_in_an_asgi_application(dsn: str, kind: str, prefix: str) -> None:
    dashboard = create_dashboard(PgQueue(dsn), authorize=admin)
    host: Any
    if kind == "FastAPI":
        host = FastAPI()
        host.mount(prefix, dashboard)
    else:
        host = Starlette(routes=[Mount(prefix, dashboard)])
    transport = httpx.ASGITransport(host)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://shop", headers=SAME_ORIGIN
    ) as http:
        answer = await http.get(f"{prefix}/")
        assert answer.status_code == 200
        assert f'href="{prefix}/jobs"' in answer.text
        assert (await http.get(f"{prefix}/static/dashboard.css")).status_code == 200
        assert (await http.get(f"{prefix}/nowhere")).status_code == 404
    await dashboard.close()


def close(wsgi: Any) -> None:
    """Close the connections of a dashboard that was made a WSGI application."""
    asyncio.run_coroutine_threadsafe(wsgi.app.close(), wsgi.middleware().loop).result(20)


def wsgi_client(application: Any) -> httpx.Client:
    transport = httpx.WSGITransport(application)
    return httpx.Client(transport=transport, base_url="http://shop", headers=SAME_ORIGIN)


def test_in_flask(dsn: str) -> None:
    host = flask.Flask("shop")
    host.add_url_rule("/", view_func=lambda: "the shop")
    wsgi = create_dashboard(dsn, authorize=admin).as_wsgi()
    host.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        host.wsgi_app, {"/ops/jobs": wsgi}
    )
    with wsgi_client(host) as http:
        assert http.get("/").text == "the shop"
        check(http, "/ops/jobs")
        assert http.get("/ops/jobs").status_code == 200
        assert http.get("/ops/jobs/changes").status_code == 503, "a stream would hold a thread"
    close(wsgi)


PRELOADED = """
import os, sys, threading
import httpx
from pgqueue.dashboard import Visitor, create_dashboard

wsgi = create_dashboard(sys.argv[1], authorize=lambda request: Visitor("ann", "viewer")).as_wsgi()

def ask():
    with httpx.Client(transport=httpx.WSGITransport(wsgi), base_url="http://shop") as http:
        return http.get("/jobs").status_code

def ask_in_child():
    child = os.fork()
    if child == 0:
        asking = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
        answers = []
        asking.start()
        asking.join(60)
        os._exit(0 if answers == [200] else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

print(ask_in_child(), ask(), ask_in_child())
"""


def test_a_server_may_fork_after_the_dashboard_was_made(dsn: str) -> None:
    """As gunicorn --preload does: before the first request, and after it."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRELOADED, dsn],
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert ran.stdout.split() == ["0", "200", "0"], ran.stderr


@pytest.fixture
def project(dsn: str) -> Iterator[ModuleType]:
    """A Django project with the dashboard under /ops/, for whoever `user` of the module is."""
    module = ModuleType("shop_urls")
    module.user = None  # type: ignore[attr-defined]

    class Login:
        def __init__(self, get_response: Any) -> None:
            self.get_response = get_response

        def __call__(self, request: Any) -> Any:
            request.user = module.user  # type: ignore[attr-defined]
            return self.get_response(request)

    module.Login = Login  # type: ignore[attr-defined]
    patterns = urls(dsn)
    module.urlpatterns = [path("ops/jobs/", include(patterns))]  # type: ignore[attr-defined]
    sys.modules["shop_urls"] = module
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["shop"],
            MIDDLEWARE=["shop_urls.Login", "django.middleware.csrf.CsrfViewMiddleware"],
            ROOT_URLCONF="shop_urls",
            SECRET_KEY="of a test",
        )
        django.setup()
    yield module
    close(patterns[0].callback.bridge)
    del sys.modules["shop_urls"]


class User:
    def __init__(self, *, is_staff: bool, is_superuser: bool = False) -> None:
        self.is_active = True
        self.is_staff = is_staff
        self.is_superuser = is_superuser

    def get_username(self) -> str:
        return "ann"


def test_in_django(project: Any) -> None:
    with wsgi_client(get_wsgi_application()) as http:
        assert http.get("/ops/jobs/").status_code == 404
        project.user = User(is_staff=False)
        assert http.get("/ops/jobs/").status_code == 404
        project.user = User(is_staff=True)
        check(http, "/ops/jobs")


def test_the_roles_of_django() -> None:
    def role(user: Any) -> Any:
        request: Any = type("Request", (), {"user": user})
        return staff(request)

    assert role(User(is_staff=True)) == "operator"
    assert role(User(is_staff=True, is_superuser=True)) == "admin"
    assert role(User(is_staff=False, is_superuser=True)) is None
    assert role(None) is None
