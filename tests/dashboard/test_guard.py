"""Requests that no page of ours sends change nothing; every response carries the headers."""

import itertools
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser
from starlette.routing import Route

from pgqueue.dashboard.guard import HEADERS, MOST_BODY
from pgqueue.dashboard.pages import routes
from tests.dashboard.conftest import CHROMIUM
from tests.support import rows, value
from tests.support.dashboards import served

Connection = psycopg.Connection[Any]

POSTS = sorted(
    route.path for route in routes() if isinstance(route, Route) and "POST" in (route.methods or ())
)
GETS = sorted(
    route.path for route in routes() if isinstance(route, Route) and "GET" in (route.methods or ())
)
FOREIGN = [
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "cross-site", "origin": "null"},
    {"origin": "null"},
    {"origin": "http://evil.example"},
    {"origin": "http://127.0.0.1"},
    {"origin": "http://localhost:1"},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "http://evil.example/127.0.0.1"},
    {"referer": "http://evil.example/"},
]
"""What says that a request comes from elsewhere, or does not say that it comes from here."""
BODIES = [
    ("application/x-www-form-urlencoded", b"reason=x&name=default&id=1"),
    ("text/plain", b'{"name": "default"}'),
    (
        "multipart/form-data; boundary=b",
        b'--b\r\ncontent-disposition: form-data; name="id"\r\n\r\n1',
    ),
    ("application/json", b'{"id": 1}'),
]


def filled(path: str) -> str:
    """A path of a route with something in the place of its parameters."""
    for parameter in ("{id:int}", "{name:path}", "{name}", "{id}", "{fingerprint}", "{action}"):
        path = path.replace(parameter, "1")
    return path


def picture(connection: Connection) -> list[Any]:
    """What an action could have changed."""
    tables = ("job", "job_dead", "queue", "pause", "schedule", "limit_rule")
    return [rows(connection, f"SELECT * FROM pgqueue.{table} ORDER BY 1, 2") for table in tables]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_request_from_elsewhere_changes_nothing(
    url: str, connection: Connection, headers: dict[str, str]
) -> None:
    connection.execute("SELECT pgqueue.enqueue('t')")
    before = picture(connection)
    for path, (kind, body) in itertools.product([*POSTS, "/"], BODIES):
        answer = httpx.post(
            url + filled(path), content=body, headers={**headers, "content-type": kind}
        )
        assert answer.status_code == 403, path
    assert picture(connection) == before


def test_a_page_of_ours_is_vouched_for_by_the_browser_or_by_its_origin(url: str) -> None:
    """A proxy in front may have changed the host: then it is the browser's word that counts."""
    same = {"sec-fetch-site": "same-origin", "origin": "https://jobs.example"}
    assert httpx.post(url + "/jobs/act", headers=same, data={"x": "1"}).status_code == 400
    assert (
        httpx.post(url + "/jobs/act", headers={"origin": url}, data={"x": "1"}).status_code == 400
    )


def test_forms_work_on_a_name_without_tls(chromium: Browser, url: str, dsn: str) -> None:
    """There browsers say nothing of the site, and an origin only where a referrer is allowed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pgqueue.pause_queue('default')")
    browser = chromium.browser_type.launch(
        executable_path=CHROMIUM,
        args=["--no-sandbox", "--host-resolver-rules=MAP jobs.test 127.0.0.1"],
    )
    with served(dsn, hosts=("jobs.test",)) as named:
        page = browser.new_page()
        page.goto(named.replace("127.0.0.1", "jobs.test") + "/queues/default")
        page.get_by_role("button", name="Resume").click()
        page.wait_for_load_state()
        assert "told=" in page.url
        browser.close()


def test_a_request_of_unknown_length_is_refused(url: str) -> None:
    """A length beside chunks would be believed by us, and not by who reads the chunks."""
    host = urlsplit(url)
    with socket.create_connection((host.hostname, host.port)) as connection:
        connection.sendall(
            b"POST /jobs/act HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert b" 411 " in connection.recv(100) or b" 400 " in connection.recv(100)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_not_understood(http: httpx.Client, method: str) -> None:
    answer = http.request(method, "/", headers={"x-http-method-override": "POST"})
    assert answer.status_code == 405


def test_looking_changes_nothing(http: httpx.Client, connection: Connection) -> None:
    connection.execute("SELECT pgqueue.enqueue('t')")
    before = picture(connection)
    for path in GETS:
        if path != "/changes":
            answer = http.get(filled(path) + "?action=retry&id=1&_method=POST")
            assert answer.status_code < 500, path
    assert picture(connection) == before


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "localhost.evil", "", "[::2]"],
)
def test_a_name_that_is_not_ours_is_refused(url: str, host: str) -> None:
    assert httpx.get(url, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8088"])
def test_names_of_this_machine_are_ours(url: str, host: str) -> None:
    assert httpx.get(url, headers={"host": host}).status_code == 200


def test_every_response_carries_the_headers(url: str, empty_dsn: str) -> None:
    with served(empty_dsn) as broken:
        answers = [
            httpx.get(url),
            httpx.get(url + "/nowhere"),
            httpx.get(url + "/static/dashboard.css"),
            httpx.get(url + "/static/../../../../etc/passwd"),
            httpx.post(url),
            httpx.put(url),
            httpx.get(url, headers={"host": "evil.example"}),
            httpx.get(broken),
        ]
    assert {answer.status_code for answer in answers} == {200, 400, 403, 404, 405, 503}
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "cache-control" in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "../dashboard.py", "..%2fdashboard.py", "%2e%2e/dashboard.py", "..%5cdashboard.py",
        "/etc/passwd", "//etc/passwd", "vendor/../../dashboard.py", "%252e%252e/dashboard.py",
        "dashboard.css%00.js", "dashboard.css/", "DASHBOARD.CSS", "vendor/", "", ".",
        "....//dashboard.py",
    ],
)  # fmt: skip
def test_only_files_of_the_list_are_served(url: str, path: str) -> None:
    assert httpx.get(f"{url}/static/{path}").status_code == 404


def test_a_request_has_bounds(http: httpx.Client) -> None:
    assert http.post("/", content=b"x" * (MOST_BODY + 1)).status_code == 413
    assert http.post("/", content=iter([b"x"])).status_code == 411


def test_a_page_of_another_origin_changes_nothing(
    chromium: Browser, url: str, connection: Connection
) -> None:
    """A real browser on another origin of this machine: forms, fetch, an image, a stream."""
    connection.execute("SELECT pgqueue.enqueue('t')")
    before = picture(connection)
    targets = [url + filled(path) for path in [*POSTS, "/"]]
    attack = """async (targets) => {
        const answers = [];
        for (const url of targets) {
            for (const mode of ["no-cors", "cors"]) {
                const options = {method: "POST", mode, credentials: "include", body: "id=1"};
                try { answers.push((await fetch(url, options)).status); }
                catch (error) { answers.push("refused"); }
            }
            await new Promise((done) => {
                const frame = document.createElement("iframe");
                frame.name = "f" + Math.random();
                document.body.append(frame);
                const form = document.createElement("form");
                Object.assign(form, {method: "post", action: url, target: frame.name});
                document.body.append(form);
                frame.onload = done;
                form.submit();
                setTimeout(done, 500);
            });
        }
        navigator.sendBeacon(targets[0], "id=1");
        return answers;
    }"""
    context = chromium.new_context()
    page = context.new_page()
    page.route("http://localhost:1/**", lambda route: route.fulfill(body="<p>somewhere else</p>"))
    page.goto("http://localhost:1/")
    answers = page.evaluate(attack, targets)
    context.close()
    assert set(answers) <= {0, "refused"}
    assert picture(connection) == before
    assert value(connection, "SELECT count(*) FROM pgqueue.job") == 1
