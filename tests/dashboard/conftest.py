"""A served dashboard, an HTTP client, and a browser that notices what goes wrong in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.support.dashboards import client, served

CHROMIUM = os.environ.get("PGQUEUE_CHROMIUM") or shutil.which("chromium")
SCREENSHOTS = Path(os.environ.get("PGQUEUE_SCREENSHOTS", "build/screenshots"))
NOTICE_VIOLATIONS = """
document.addEventListener("securitypolicyviolation",
    (event) => console.error(`violates ${event.violatedDirective}: ${event.blockedURI}`));
"""


@pytest.fixture
def url(dsn: str) -> Iterator[str]:
    """Where a dashboard of the test's database answers, without a slash at the end."""
    with served(dsn) as url:
        yield url


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """A client of that dashboard that says what a browser says."""
    with client(url) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window. While it runs, this thread has a running event loop:
    asynchronous tests stand in modules without a browser.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is absent: install it, or name it in PGQUEUE_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    """A page of a browser at 1440 × 900, at the dashboard's URL. The test fails if anything was
    written to its console as an error, or violated the Content-Security-Policy.
    """
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        refused = "Failed to load resource" in message.text
        asked_for = (
            refused and "/static/" not in message.location["url"]
        )  # tests look at the status
        if message.type == "error" and not asked_for:
            wrong.append(message.text)

    context = chromium.new_context(
        base_url=url + "/", viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
    )
    context.add_init_script(NOTICE_VIOLATIONS)
    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def screenshot(page: Page, name: str) -> None:
    """Store what the page looks like, for people."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
