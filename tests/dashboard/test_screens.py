"""Every page of figures in a real browser: at two widths, in both schemes, for everybody."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.conftest import screenshot
from tests.support.busy import fill

Connection = psycopg.Connection[Any]
GROUP = "errors/0000000000000000?task=shop.jobs.charge_card"
PAGES = {
    "overview": "",
    "errors": "errors?window=24h",
    "error": GROUP,
    "queues": "queues",
    "queue": "queues/images?window=24h",
    "tasks": "tasks",
    "task": "tasks/shop.jobs.charge_card",
    "schedules": "schedules",
    "schedule": "schedules/shop.jobs.nightly_report",
    "workers": "workers",
    "stacks": "workers/1/dump",
    "database": "database",
    "audit": "audit",
}


@pytest.fixture
def busy(connection: Connection) -> None:
    """A day of figures."""
    fill(connection)


@pytest.fixture
def plain(chromium: Browser, url: str) -> Iterator[Page]:
    """A page of a browser without scripts."""
    context = chromium.new_context(base_url=url + "/", java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(page: Page, name: str) -> None:
    page.goto(PAGES[name])
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in grave] == []
        screenshot(page, f"{name}-{scheme}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)  # charts are drawn anew a moment after the last change of width
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, f"{name}-390")


@pytest.mark.usefixtures("busy")
def test_charts_are_drawn_and_tell_what_is_under_the_pointer(page: Page) -> None:
    page.goto("?window=24h")
    expect(page.locator("figure.chart canvas")).to_have_count(5)
    over = page.locator("#throughput .u-over")
    over.hover()
    expect(page.locator("#throughput .tip")).to_contain_text(re.compile(r"succeeded [\d.]+"))


@pytest.mark.usefixtures("busy")
def test_a_chart_that_changes_keeps_its_drawing(page: Page, connection: Connection) -> None:
    page.goto("?window=24h")
    canvas = page.locator("#depth canvas").element_handle()
    assert canvas is not None
    page.locator("#depth summary").click()
    before = page.locator("#depth figcaption small").inner_text()
    connection.execute(
        "UPDATE pgqueue.queue_sample SET queued = 9000 WHERE at > now() - interval '1 hour'"
    )
    page.evaluate("setInterval(() => document.body.dispatchEvent(new CustomEvent('later')), 300)")
    expect(page.locator("#depth figcaption small")).not_to_have_text(before)
    assert page.evaluate("(canvas) => canvas.isConnected", canvas)
    expect(page.locator("#depth details")).to_have_attribute("open", "")


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_as_much_without_scripts(plain: Page, name: str) -> None:
    answer = plain.goto(PAGES[name])
    assert answer is not None
    assert answer.status == 200
    expect(plain.locator("h1")).to_be_visible()
    for figure in plain.locator("figure.chart").all():
        figure.locator("summary").click()
        expect(figure.locator("tbody tr").first).to_be_visible()
