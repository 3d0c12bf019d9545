"""What a page looks like where that decides whether it can be read: on a phone, and in figures."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.test_screens import PAGES, busy, plain
from tests.support import claim_gated, enqueue, register

__all__ = ["busy", "plain"]
Connection = psycopg.Connection[Any]
PHONE = {"width": 390, "height": 844}
LISTS = ("queues", "errors", "schedules", "workers", "tasks", "audit")
OUT_OF_SIGHT = """
() => [...document.querySelectorAll("main .rows tbody :is(td, td *)")]
    .filter((cell) => { const box = cell.getBoundingClientRect();
                        return box.width && (box.right > innerWidth || box.left < 0); })
    .map((cell) => cell.outerHTML)
"""
WRONG_LABELS = """
() => [...document.querySelectorAll("main .rows [data-label]")].filter((cell) => {
    const head = cell.closest("table").querySelectorAll("thead th")[cell.cellIndex];
    return head.textContent !== cell.dataset.label;
}).map((cell) => cell.outerHTML)
"""
NOTE_TEXTS = """
window.drawn = [];
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    window.drawn.push([this.canvas.closest("figure")?.id ?? "", String(text)]);
    return fillText.call(this, text, ...rest);
};
"""


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("name", LISTS)
def test_a_phone_shows_every_figure_under_its_name(page: Page, name: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(PAGES[name])
    assert page.locator("main .rows [data-label]").count() > 4
    assert page.evaluate(WRONG_LABELS) == []
    assert page.evaluate(OUT_OF_SIGHT) == []


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("path", ["", "workers", "operations", "audit"])
def test_a_phone_shows_which_page_it_is_without_scripts(plain: Page, path: str) -> None:
    plain.set_viewport_size(PHONE)
    plain.goto(path)
    box = plain.locator("nav [aria-current=page]").bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= PHONE["width"] - box["width"]


@pytest.mark.usefixtures("busy")
def test_a_long_name_of_a_queue_pushes_nothing_out(page: Page, connection: Connection) -> None:
    enqueue(connection, queue="customer_statements_of_europe_no")
    page.goto("")
    table = page.locator(".scroll[aria-labelledby=queues-heading]")
    expect(table.get_by_text("customer_statements")).to_be_visible()
    assert table.evaluate("(box) => box.scrollWidth - box.clientWidth") == 0


@pytest.mark.usefixtures("busy")
def test_lines_of_a_traceback_stay_whole_and_nothing_covers_them(
    page: Page, connection: Connection
) -> None:
    lines = ["Traceback (most recent call last):" + 60 * " x", "    charge(order)", "    ^^^^^^"]
    connection.execute(
        "INSERT INTO pgqueue.failure (job_id, attempt, queue, task, error_type, message, "
        "traceback, fingerprint) VALUES (100003, 5, 'payments', 'shop.jobs.charge_card', 'E', 'm', "
        "%s, 'one')",
        ["\n".join(lines)],
    )
    page.set_viewport_size(PHONE)
    page.goto("jobs/100003")
    text = page.locator("details[open] pre")
    expect(text).to_contain_text("^^^^^^")
    count_lines = "(pre) => { const range = document.createRange(); range.selectNodeContents(pre); \
        return new Set([...range.getClientRects()].map((box) => box.top)).size; }"
    assert text.evaluate(count_lines) == len(lines)
    button, box = (
        place.bounding_box() for place in (page.locator("details[open] [data-copy]"), text)
    )
    assert button is not None
    assert box is not None
    assert button["y"] + button["height"] <= box["y"]


@pytest.mark.usefixtures("busy")
def test_bars_say_how_much_the_largest_is(page: Page, connection: Connection) -> None:
    connection.execute("DELETE FROM pgqueue.failure WHERE fingerprint NOT LIKE '%4'")
    connection.execute("UPDATE pgqueue.failure SET failed_at = now() - interval '3 hours'")
    page.goto(PAGES["errors"])
    expect(page.locator(".spark + small")).to_have_text("most 4")
    expect(page.locator(".spark title")).to_contain_text(", 4 at most: 0, ")
    page.goto("errors/0000000000000004")
    expect(page.locator(".ends")).to_have_text("24 hours ago most 4 in half an hour now")


@pytest.fixture
def slow(connection: Connection) -> None:
    """An hour in which at most one job waited, and of five minutes four had an error."""
    connection.execute(
        "INSERT INTO pgqueue.queue_sample (at, queue, queued, running, oldest_seconds) "
        "SELECT date_bin('1 minute', now(), '2000-01-01Z') - interval '1 minute' * n, 'default', "
        "n % 2, 0, 0 FROM generate_series(1, 50) AS n"
    )
    connection.execute(
        "INSERT INTO pgqueue.statistic (span, at, queue, task, succeeded, retried, dead, waits, "
        "runs) SELECT interval '1 minute', date_bin('1 minute', now(), '2000-01-01Z') - "
        "interval '1 minute' * n, 'default', 't', 1, CAST(n % 5 > 0 AS integer), 0, "
        "array_fill(0, ARRAY[25]), array_fill(0, ARRAY[25]) FROM generate_series(1, 50) AS n"
    )


@pytest.fixture
def noting(chromium: Browser, url: str) -> Iterator[Page]:
    """A page that notes what its charts write."""
    context = chromium.new_context(base_url=url + "/", viewport={"width": 1440, "height": 900})
    context.add_init_script(NOTE_TEXTS)
    yield context.new_page()
    context.close()


@pytest.mark.usefixtures("slow")
def test_an_axis_says_what_its_lines_are(noting: Page) -> None:
    noting.goto("?window=6h")
    expect(noting.locator("figure.chart canvas")).to_have_count(5)
    drawn = noting.evaluate("window.drawn")
    axes = {
        name: {text for found, text in drawn if found == name and ":" not in text}
        for name in ("depth", "errors")
    }
    assert axes["depth"] >= {"0", "1"}
    assert not [text for text in axes["depth"] if "." in text]
    assert axes["errors"] >= {"0.25", "0.5"}


def test_what_is_said_of_now_says_of_which_minutes(http: httpx.Client) -> None:
    assert http.get("/?window=24h").text.count("last 5 min</small>") == 2
    assert "ended, last 10 min</small>" in http.get("/queues/default?window=24h").text


def test_a_queue_names_the_limits_that_concern_it(
    http: httpx.Client, connection: Connection
) -> None:
    for name in ("queue:mail", "queue:other", "task:other", "task"):
        connection.execute("SELECT pgqueue.set_limit(%s, concurrency => 9)", [name])
    for name in ("stripe", "tenant", "idle"):
        connection.execute("SELECT pgqueue.set_limit(%s, concurrency => 1)", [name])
    for limit in ("stripe", "tenant:7"):
        for _ in range(2):
            enqueue(connection, queue="mail", flow={"limits": {limit: 1}})
    worker = register(connection, queues=["mail", "other"])
    claim_gated(connection, worker, 10, "mail")
    enqueue(connection, queue="other")
    text = http.get("/queues/mail").text.partition("What may hold jobs back")[2]
    named = [part.partition("<")[0] for part in text.split("<li><strong>")[1:]]
    assert named == ["queue:mail", "stripe", "task", "tenant"]
    assert "queue:mail" not in http.get("/queues/other").text.partition("What may hold")[2]


def test_a_pause_reads_as_a_sentence(http: httpx.Client, connection: Connection) -> None:
    connection.execute(
        "SELECT pgqueue.pause_queue('mail', 'stocktaking', 'ada', now() + interval '2 hours')"
    )
    for path in ("/queues", "/queues/mail"):
        text = http.get(path).text
        assert ", ends <time" in text
        assert "until <time" not in text


def test_a_table_that_was_never_analysed_has_an_unknown_number_of_rows(
    http: httpx.Client, connection: Connection
) -> None:
    connection.execute("ANALYZE pgqueue.worker")
    tables = http.get("/database").text.split('id="open-heading"')[0].split('<th scope="row">')
    rows = {cell.partition("<")[0]: cell.split('"Rows, about">')[1][:3] for cell in tables[1:]}
    assert (rows["worker"], rows["audit"]) == ("0</", "–</")
