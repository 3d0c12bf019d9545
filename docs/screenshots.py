"""Takes the pictures of the dashboard's tour, from a busy database on a private server.

    python docs/screenshots.py

It needs the extra `dev`, and Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import psycopg
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pgqueue.embedded import EmbeddedServer  # noqa: E402
from pgqueue.migrations import upgrade  # noqa: E402
from tests.support.busy import fill  # noqa: E402
from tests.support.dashboards import served  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PICTURES = {
    "overview": "/",
    "jobs": "/jobs?q=state%3Adead",
    "errors": "/errors",
    "queues": "/queues",
    "schedules": "/schedules",
    "database": "/database",
}
WIDTH, HEIGHT = 1280, 820


def main() -> None:
    with EmbeddedServer() as server:
        dsn = server.dsn()
        upgrade(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            fill(connection)
        with served(dsn) as url:
            take(url)


def take(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("PGQUEUE_CHROMIUM") or shutil.which("chromium"),
            args=["--no-sandbox"],
        )
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            for name, path in PICTURES.items():
                if scheme == "dark" and name != "overview":
                    continue
                page.goto(url + path)
                page.wait_for_timeout(1500)  # the doctor's findings come after the page
                suffix = "-dark" if scheme == "dark" else ""
                page.screenshot(path=IMAGES / f"dashboard-{name}{suffix}.png")
        browser.close()


if __name__ == "__main__":
    main()
