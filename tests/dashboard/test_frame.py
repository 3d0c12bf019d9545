"""What every page has: its frame, live updates, keys, the theme."""

import re
from typing import Any

import httpx
import psycopg
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import screenshot
from tests.support import enqueue
from tests.support.dashboards import SAME_ORIGIN, client, served

Connection = psycopg.Connection[Any]


def test_the_overview_shows_queues(http: httpx.Client, connection: Connection) -> None:
    enqueue(connection)
    answer = http.get("/")
    assert answer.status_code == 200
    assert ">default</a>" in answer.text


def test_an_unknown_path_is_a_page_that_says_so(http: httpx.Client) -> None:
    answer = http.get("/nowhere")
    assert answer.status_code == 404
    assert 'aria-label="Pages"' in answer.text


def test_links_stay_below_the_path_where_it_is_mounted(dsn: str) -> None:
    with served(dsn, root_path="/ops/queue") as url, client(url) as http:
        text = http.get("/").text
        assert 'href="/ops/queue/jobs"' in text
        assert 'href="/jobs"' not in text
        (style,) = re.findall(r'href="([^"]+dashboard[.]css[^"]*)"', text)
        host = url.removesuffix("/ops/queue")
        for path in (style, style.removeprefix("/ops/queue")):  # some proxies take it away
            assert httpx.get(host + path).status_code == 200


def test_a_change_is_on_the_page_within_seconds(page: Page, connection: Connection) -> None:
    page.goto("")
    row = page.locator("tr[data-row]", has_text="default")
    expect(row.locator("td").first).to_have_text("0")
    enqueue(connection)
    expect(row.locator("td").first).to_have_text("1", timeout=2000)


def test_keys_lead_to_pages_and_move_rows(page: Page, connection: Connection) -> None:
    connection.execute("INSERT INTO pgqueue.queue (name) VALUES ('mail'), ('reports')")
    page.goto("")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.here")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    dark = page.evaluate("document.documentElement.dataset.theme")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == dark == "dark"
    screenshot(page, "overview-dark")


def test_nothing_is_wider_than_a_phone(page: Page, connection: Connection) -> None:
    enqueue(connection, queue="a" * 100)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "overview-390")


def test_it_says_what_is_wrong_with_the_database(empty_dsn: str) -> None:
    with served(empty_dsn) as url, client(url) as http:
        answer = http.get("/")
        assert answer.status_code == 503
        assert "Run: pgqueue migrate" in answer.text


def test_all_pages_share_one_connection_that_listens(url: str, connection: Connection) -> None:
    listeners = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'pgqueue dashboard live'"
    )
    with (
        client(url) as http,
        http.stream("GET", "/changes") as first,
        http.stream("GET", "/changes") as second,
    ):
        texts = [stream.iter_text() for stream in (first, second)]
        enqueue(connection)
        assert all("event: changed" in next(text) for text in texts)
        found = connection.execute(listeners).fetchone()
        assert found == (1,)


def test_a_form_may_come_without_its_origin(url: str, connection: Connection) -> None:
    """Browsers send Origin: null where a page has the policy no-referrer, as ours have."""
    with httpx.Client(base_url=url) as http:
        path = "/queues/default/pause"
        assert http.post(path, headers={"origin": "null", **SAME_ORIGIN}).status_code == 303
        for headers in ({"origin": "null"}, {"origin": "null", "sec-fetch-site": "cross-site"}):
            assert http.post(path, headers=headers).status_code == 403


def test_prometheus_reads_what_the_database_says(
    http: httpx.Client, connection: Connection
) -> None:
    enqueue(connection, queue="mail")
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'pgqueue_jobs{queue="mail",state="queued"} 1.0' in answer.text
