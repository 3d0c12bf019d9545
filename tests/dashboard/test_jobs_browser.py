"""The pages about jobs in a browser: what they look like, keys, live updates, no JavaScript."""

import re
from typing import Any

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.conftest import screenshot
from tests.support import enqueue, job, state
from tests.support.shop import open_shop
from tests.support.states import charge, one_of_each

Connection = psycopg.Connection[Any]
SEVERE = ("serious", "critical")
SCHEMES: tuple[Any, ...] = ("light", "dark")


def paths(made: dict[str, int]) -> dict[str, str]:
    """Each page of ours, by the name of its picture."""
    return {
        "jobs": "jobs",
        "jobs-dead": "jobs?q=state:dead",
        "act": "jobs/act?action=retry&all=1&q=state:dead",
        "act-reschedule": f"jobs/act?action=reschedule&id={made['queued']}&id={made['blocked']}",
        "job-dead": f"jobs/{made['dead']}",
        "job-running": f"jobs/{made['running']}",
        "job-blocked": f"jobs/{made['blocked']}",
        "job-succeeded": f"jobs/{made['succeeded']}",
        "operations": "operations",
        "enqueue": "enqueue?task=sync_inventory",
        "enqueue-copy": f"enqueue?job={made['dead']}&as=json",
    }


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_they_look_like(page: Page, connection: Connection, width: int, scheme: Any) -> None:
    """Nothing is wider than the screen, and nobody is kept out: axe finds nothing severe."""
    made = open_shop(connection)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    found: dict[str, Any] = {}
    for name, path in paths(made).items():
        page.goto(path)
        found |= look(page, f"{name}-{scheme}-{width}")
    assert found == {}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_refusals_look_like(
    chromium: Browser, url: str, connection: Connection, scheme: Any
) -> None:
    """They are errors on the console of the browser, so `page` would not have them."""
    context = chromium.new_context(base_url=url + "/", color_scheme=scheme)
    page = context.new_page()
    found: dict[str, Any] = {}
    for name, path in (("refused", "jobs?q=task:send_* stat:dead"), ("absent", "jobs/999")):
        page.goto(path)
        found |= look(page, f"job-{name}-{scheme}")
    context.close()
    assert found == {}


def look(page: Page, name: str) -> dict[str, Any]:
    """Store a picture; what is severely wrong with the page."""
    screenshot(page, name)
    found: dict[str, Any] = {}
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found[name] = "wider than the screen"
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] in SEVERE:
            found[f"{name}: {violation['id']}"] = [node["target"] for node in violation["nodes"]][
                :3
            ]
    return found


def test_changes_are_on_the_page_within_seconds(page: Page, connection: Connection) -> None:
    id = charge(connection)
    page.goto("jobs")
    rows = page.locator("tr[data-row]")
    expect(rows).to_have_count(1)
    charge(connection)
    expect(rows).to_have_count(2, timeout=3000)
    page.goto(f"jobs/{id}")
    expect(page.locator(".state-line .state")).to_have_text("◷ queued")
    connection.execute("SELECT pgqueue.cancel(%s)", [id])
    expect(page.locator(".state-line .state")).to_have_text("⊘ cancelled", timeout=3000)


def test_who_has_selected_something_does_not_lose_it(page: Page, connection: Connection) -> None:
    charge(connection)
    page.goto("jobs")
    page.locator("input[name=id]").check()
    expect(page.locator("[data-count]")).to_have_text("1 selected")
    with page.expect_event("console", lambda m: m.text == "seen", timeout=6000):
        page.evaluate("""() => {
            const stream = new EventSource(document.body.dataset.changes);
            let times = 0;
            stream.addEventListener("changed", () => {
                if (++times === 3) { stream.close(); console.log("seen"); }
            });
        }""")
        for _ in range(3):
            charge(connection)
            page.wait_for_timeout(1100)
    expect(page.locator("input[name=id]")).to_be_checked()
    expect(page.locator("tr[data-row]")).to_have_count(1)


def test_keys_select_and_act(page: Page, connection: Connection) -> None:
    ids = [charge(connection) for _ in range(5)][::-1]
    page.goto("jobs")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-count]")).to_have_text("1 selected")
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("X")
    expect(page.locator("[data-count]")).to_have_text("4 selected")
    page.keyboard.press("C")
    expect(page.get_by_role("button", name="Cancel: 4 jobs")).to_be_visible()
    page.get_by_role("button", name="Cancel: 4 jobs").click()
    expect(page.get_by_role("status")).to_have_text("Cancelled 4 jobs.")
    states = [state(connection, id) for id in ids]
    assert states == ["cancelled"] * 4 + ["queued"]


def test_keys_act_on_the_marked_row_and_open_it(page: Page, connection: Connection) -> None:
    id = one_of_each(connection)["dead"]
    page.goto("jobs?q=state:dead")
    page.keyboard.press("j")
    page.keyboard.press("R")
    expect(page.get_by_role("button", name="Retry: 1 job")).to_be_visible()
    page.go_back()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/jobs/{id}$"))
    page.keyboard.press("R")
    page.get_by_label("Reason").fill("the bank is back")
    page.get_by_role("button", name="Retry: 1 job").click()
    expect(page.get_by_role("status")).to_have_text("Retried 1 job.")
    assert state(connection, id) == "queued"
    page.goto("jobs")
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile("/enqueue$"))


def test_keys_rest_while_somebody_types_or_goes_elsewhere(
    page: Page, connection: Connection
) -> None:
    charge(connection)
    page.goto("jobs")
    page.keyboard.press("/")
    page.keyboard.type("eRC")
    expect(page).to_have_url(re.compile("/jobs$"))
    expect(page.get_by_label("Search jobs")).to_have_value("eRC")
    page.locator("h1").click()
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile("/operations$"))


def test_a_click_with_shift_selects_a_range(page: Page, connection: Connection) -> None:
    for _ in range(5):
        charge(connection)
    page.goto("jobs")
    boxes = page.locator("input[name=id]")
    boxes.nth(0).click()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("[data-count]")).to_have_text("4 selected")


def test_the_search_is_completed(page: Page, connection: Connection) -> None:
    enqueue(connection)
    connection.execute("INSERT INTO pgqueue.queue (name) VALUES ('email')")
    page.goto("jobs")
    page.get_by_label("Search jobs").press_sequentially("task:t queue:em")
    option = page.locator("datalist#completions option")
    expect(option).to_have_count(1)
    expect(option).to_have_attribute("value", "task:t queue:email")


def test_copying(page: Page, connection: Connection) -> None:
    id = charge(connection)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"jobs/{id}")
    page.locator("[data-copy=same-cli]").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"pgqueue jobs show {id}"


def test_everything_works_without_javascript(
    chromium: Browser, url: str, connection: Connection
) -> None:
    """Search, preview, action, and a new job by a form."""
    made = one_of_each(connection)
    context = chromium.new_context(base_url=url + "/", java_script_enabled=False)
    page = context.new_page()
    page.goto("jobs")
    page.get_by_label("Search jobs").fill("state:dead tag:vip")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.get_by_label(f"Select job {made['dead']}").check()
    page.get_by_role("button", name="Retry…").click()
    expect(page.locator(".effects")).to_contain_text("1: it starts over under its old id")
    page.get_by_label("Reason").fill("by hand")
    page.get_by_role("button", name="Retry: 1 job").click()
    expect(page.get_by_role("status")).to_have_text("Retried 1 job.")
    assert state(connection, made["dead"]) == "queued"
    page.goto("jobs")
    page.get_by_role("link", name="Enqueue…").click()
    page.get_by_label("Task").fill("send_receipt")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Arguments").fill('{"order_id": 43}')
    page.get_by_role("button", name="Enqueue").click()
    expect(page.locator("#why")).to_contain_text("queue")
    found = job(connection, int(page.url.partition("/jobs/")[2].partition("?")[0]))
    assert found is not None
    assert found["args"] == {"order_id": 43}
    context.close()
