"""Who gets in: names and passwords, a proxy's word, an application's own function."""

import base64
import ipaddress
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from starlette.routing import Route

from pgqueue.dashboard import create_dashboard
from pgqueue.dashboard.access import TRIES, Passwords, ProxyHeader, Visitor
from pgqueue.dashboard.pages import routes
from tests.dashboard.test_guard import filled
from tests.support.dashboards import client, served

USERS = Passwords({"ann": ("correct horse", "operator"), "ivo": ("battery staple", "viewer")})


def users() -> Passwords:
    return Passwords(dict(USERS.users))


def test_a_name_and_its_password_get_in(dsn: str) -> None:
    with served(dsn, users()) as url:
        answer = httpx.get(url, auth=("ann", "correct horse"))
        assert answer.status_code == 200
        assert ">operator</span>" in answer.text


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"ann").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Bearer x", "Digest x",
        "Basic " + base64.b64encode(b"ann:correct horse ").decode(),
        "Basic " + base64.b64encode(b"ANN:correct horse").decode(),
        "Basic " + base64.b64encode(b"ann:").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"nobody:").decode(),
    ],
)  # fmt: skip
def test_nobody_else_gets_in_anywhere(dsn: str, header: str | None) -> None:
    paths = {filled(route.path) for route in routes() if isinstance(route, Route)} | {"/nowhere"}
    headers = {} if header is None else {"authorization": header}
    with served(dsn, users()) as url:
        for path in sorted(paths)[:TRIES]:
            answer = httpx.get(url + path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic ")


def test_every_path_wants_a_name(dsn: str) -> None:
    with served(dsn, users()) as url:
        for route in routes():
            assert isinstance(route, Route)
            for method in ("GET", "POST"):
                same = {"sec-fetch-site": "same-origin"}
                answer = httpx.request(method, url + filled(route.path), headers=same)
                assert answer.status_code == 401, (method, route.path)


def test_guessing_is_slowed_down(dsn: str) -> None:
    with served(dsn, users()) as url:
        tried = [httpx.get(url, auth=("ann", str(n))).status_code for n in range(TRIES + 2)]
        assert tried == [401] * TRIES + [429] * 2
        assert httpx.get(url, auth=("ann", "correct horse")).status_code == 429


def test_a_proxy_is_believed_only_from_its_network(dsn: str) -> None:
    header = {"x-forwarded-user": "ann"}
    ours = ProxyHeader("X-Forwarded-User", (ipaddress.ip_network("127.0.0.0/8"),))
    other = ProxyHeader("X-Forwarded-User", (ipaddress.ip_network("10.0.0.0/8"),))
    with served(dsn, ours) as url:
        assert "ann" in httpx.get(url, headers=header).text
        assert httpx.get(url).status_code == 401
    with served(dsn, other) as url:
        assert httpx.get(url, headers=header).status_code == 401


def test_roles_include_those_below() -> None:
    assert [Visitor("x", "operator").may(role) for role in ("viewer", "operator", "admin")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("role", [None, "viewer"])
def test_an_application_tells_the_role(dsn: str, role: Any) -> None:
    with served(dsn, lambda request: role) as url, client(url) as http:
        assert http.get("/").status_code == (404 if role is None else 200)


async def test_an_application_may_have_to_ask(dsn: str) -> None:
    async def authorize(request: Any) -> Any:
        return request.headers.get("x-role")

    dashboard = create_dashboard(dsn, authorize=authorize)
    transport = httpx.ASGITransport(dashboard)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/", headers={"x-role": "viewer"})).status_code == 200
    await dashboard.close()


async def test_without_a_function_nobody_gets_in(dsn: str) -> None:
    transport = httpx.ASGITransport(create_dashboard(dsn))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        assert (await http.get("/")).status_code == 404


async def test_a_role_that_does_not_exist_is_no_way_in(dsn: str) -> None:
    made = create_dashboard(dsn, authorize=lambda request: "root")  # type: ignore[arg-type, return-value]
    transport = httpx.ASGITransport(made)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        with pytest.raises(TypeError, match="viewer, operator, admin"):
            await http.get("/")


def test_nobody_locks_out_others(dsn: str) -> None:
    with served(dsn, users()) as url:
        for _ in range(TRIES + 1):
            httpx.get(url, auth=("ivo", "wrong"))
        assert httpx.get(url, auth=("ivo", "battery staple")).status_code == 429
        assert httpx.get(url, auth=("ann", "correct horse")).status_code == 200


def test_a_role_that_may_only_look_is_offered_nothing(
    dsn: str, connection: psycopg.Connection[Any]
) -> None:
    name = f"looker_{connection.info.backend_pid}"
    connection.execute(
        f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA pgqueue TO {name}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA pgqueue TO {name}".encode()
    )
    id = connection.execute("SELECT pgqueue.enqueue('t')").fetchone()
    assert id is not None
    options = f"-c role={name}"
    try:
        with served(make_conninfo(dsn, options=options)) as url, client(url) as http:
            page = http.get(f"/jobs/{id[0]}")
            assert page.status_code == 200
            assert 'method="post"' not in page.text
            for path in ("/queues/default/pause", "/jobs/act", "/enqueue"):
                assert http.post(path, data={"task": "t"}).status_code == 403, path
    finally:
        connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())
