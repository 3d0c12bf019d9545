"""What visitors do to queues, tasks, schedules, errors: who may, what happens, what is recorded."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from pgqueue.dashboard.access import Anybody, Passwords
from tests.support import enqueue, row, rows, state, value, values
from tests.support.busy import fill
from tests.support.dashboards import client, served

Connection = psycopg.Connection[Any]
GROUP = {"task": "shop.jobs.charge_card"}
ACTS: dict[str, dict[str, str]] = {
    "queues/mail/pause": {"reason": "SMTP is out", "for": "30m"},
    "queues/reports/resume": {},
    "queues/mail/limit": {"concurrency": "5", "rate": "100", "per": "1m"},
    "queues/images/unlimit": {},
    "queues/mail/ageing": {"ageing": "2h"},
    "queues/mail/retention": {"keep_succeeded": "1d", "keep_dead": "5d"},
    "tasks/shop.jobs.send_receipt/pause": {"reason": "typo", "for": "1h"},
    "tasks/shop.jobs.charge_card/resume": {},
    "schedules/sweep/run": {},
    "schedules/sweep/pause": {"reason": "sale"},
    "schedules/hourly-index/resume": {},
    "schedules/sweep/delete": {"reason": "gone"},
    "errors/0000000000000000/retry": GROUP,
    "workers/1/quiet": {},
    "workers/1/resume": {},
    "workers/1/dump": {},
    "workers/1/stop": {},
}
ADMIN = ("queues/mail/retention", "schedules/sweep/delete")
TABLES = ("queue", "limit_rule", "pause", "schedule", "job", "job_dead", "wish", "dump", "audit")


@pytest.fixture
def busy(connection: Connection) -> None:
    fill(connection)
    connection.execute("SELECT pgqueue.pause('task', 'shop.jobs.charge_card')")


def contents(connection: Connection) -> list[Any]:
    """Everything that acts change."""
    return [
        rows(connection, f"SELECT t::text AS line FROM pgqueue.{table} AS t ORDER BY 1")
        for table in TABLES
    ]


@pytest.fixture
def as_role(dsn: str) -> Iterator[Any]:
    """A function that gives a client of somebody with this role."""
    access = Passwords(
        {name: ("secret", name) for name in ("viewer", "operator", "admin")}  # type: ignore[misc]
    )
    with served(dsn, access) as url:
        clients = []

        def of(role: str) -> httpx.Client:
            made = client(url, auth=(role, "secret"))
            clients.append(made)
            return made.__enter__()

        yield of
        for made in clients:
            made.__exit__(None, None, None)


@pytest.mark.usefixtures("busy")
def test_viewers_and_readers_change_nothing(connection: Connection, as_role: Any, dsn: str) -> None:
    before = contents(connection)
    viewer = as_role("viewer")
    operator = as_role("operator")
    with served(dsn, Anybody("tester"), read_only=True) as url, client(url) as reader:
        for path, fields in ACTS.items():
            assert viewer.post(f"/{path}", data=fields).status_code == 403, path
            assert reader.post(f"/{path}", data=fields).status_code == 403, path
            unseen = 403 if path.endswith("/dump") else 404
            assert viewer.get(f"/{path}").status_code in (unseen, 405), path
            if path in ADMIN:
                assert operator.post(f"/{path}", data=fields).status_code == 403, path
        for http in (viewer, reader):
            for page in ("queues", "queues/mail", "tasks/shop.jobs.send_receipt", "schedules/sweep",
                         "errors/0000000000000000", "schedules", "tasks", "workers"):  # fmt: skip
                assert 'method="post"' not in http.get(f"/{page}").text, page
    assert contents(connection) == before


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("path", ACTS)
def test_an_act_is_told_and_recorded(connection: Connection, as_role: Any, path: str) -> None:
    before = value(connection, "SELECT count(*) FROM pgqueue.audit")
    role = "admin" if path in ADMIN else "operator"
    answer = as_role(role).post(f"/{path}", data=ACTS[path], follow_redirects=True)
    assert answer.status_code == 200
    assert 'class="told" role="status"' in answer.text
    assert value(connection, "SELECT count(*) FROM pgqueue.audit") == before + 1
    record = row(connection, "SELECT * FROM pgqueue.audit_log ORDER BY id DESC LIMIT 1")
    assert (record["actor"], record["via"]) == (role, "dashboard")
    assert record["reason"] == ACTS[path].get("reason")
    assert path.split("/")[1] in str(record["target"])


@pytest.mark.usefixtures("busy")
def test_acts_do_what_they_say(connection: Connection, as_role: Any) -> None:
    http = as_role("admin")
    for path, fields in ACTS.items():
        assert http.post(f"/{path}", data=fields).status_code == 303, path
    mail = row(
        connection,
        "SELECT *, paused_until - paused_at AS length FROM pgqueue.queue WHERE name = 'mail'",
    )
    assert (mail["pause_reason"], mail["paused_by"]) == ("SMTP is out", "admin")
    assert [mail[name].total_seconds() for name in ("length", "ageing", "keep_succeeded")] == [
        1800, 7200, 86400,
    ]  # fmt: skip
    assert value(connection, "SELECT paused_at FROM pgqueue.queue WHERE name = 'reports'") is None
    limits = rows(connection, "SELECT name, concurrency, rate FROM pgqueue.limit_rule ORDER BY 1")
    assert [tuple(limit.values()) for limit in limits] == [
        ("queue:mail", 5, 100),
        ("queue:payments", 20, 100),
    ]
    pauses = rows(connection, "SELECT kind, name, paused_by FROM pgqueue.pause ORDER BY 1 DESC")
    assert [tuple(pause.values()) for pause in pauses] == [
        ("task", "shop.jobs.send_receipt", "admin"),
        ("tag", "newsletter", "grace"),
    ]
    schedules = rows(connection, "SELECT name, state FROM pgqueue.schedules ORDER BY 1")
    assert [tuple(schedule.values()) for schedule in schedules] == [
        ("hourly-index", "active"),
        ("shop.jobs.nightly_report", "active"),
    ]
    assert values(connection, "SELECT wish FROM pgqueue.wish WHERE worker_id = 1") == ["stop"]
    assert values(connection, "SELECT asked_by FROM pgqueue.dump") == ["admin"]
    assert value(connection, "SELECT count(*) FROM pgqueue.job_dead") == 0
    assert state(connection, 100_000) == "queued"


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("queues/mail/pause", {"for": "soon"}, "for is a time as 30s, 15m, 2h or 7d"),
        ("queues/mail/pause", {"for": "9000d"}, "for lies between 1s and 365d"),
        ("queues/mail/pause", {"reason": "x" * 501}, "reason is too long"),
        ("queues/mail/limit", {}, "neither was given"),
        ("queues/mail/limit", {"concurrency": "0"}, "concurrency lies between 1 and"),
        ("queues/mail/limit", {"concurrency": "1" * 400}, "concurrency is too long"),
        ("queues/mail/limit", {"rate": "-1"}, "rate is a whole number"),
        ("queues/mail/ageing", {"ageing": "0s"}, "ageing lies between"),
        ("queues/mail/retention", {}, "keep_dead is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(
    http: httpx.Client, connection: Connection, path: str, fields: dict[str, str], said: str
) -> None:
    before = contents(connection)
    answer = http.post(f"/{path}", data=fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert contents(connection) == before


def test_what_the_database_refuses_is_a_sentence(
    http: httpx.Client, connection: Connection
) -> None:
    name = "ü" * 51  # more than a hundred bytes
    assert http.post(f"/queues/{name}/pause").status_code == 404
    answer = http.post("/tasks/" + "t" * 200 + "/pause")
    assert answer.status_code == 303
    assert http.post("/schedules/nobody/run").status_code == 404
    assert value(connection, "SELECT count(*) FROM pgqueue.audit") == 1


def test_an_act_that_has_nothing_to_do_is_not_recorded(
    http: httpx.Client, connection: Connection
) -> None:
    for path in ("queues/default/resume", "queues/default/unlimit", "tasks/t/resume"):
        assert http.post(f"/{path}").status_code == 303
    assert http.post("/errors/nothing/retry", data={"task": "t"}).status_code == 303
    assert value(connection, "SELECT count(*) FROM pgqueue.audit") == 0


def test_what_the_code_declares_is_not_deleted(http: httpx.Client, connection: Connection) -> None:
    connection.execute(
        "SELECT pgqueue.put_schedule(name => 'n', task => 't', cron => '@daily', declared => true)"
    )
    answer = http.post("/schedules/n/delete")
    assert answer.status_code == 409
    assert "Pause it instead." in answer.text
    assert value(connection, "SELECT count(*) FROM pgqueue.schedule") == 1


def test_a_limit_keeps_what_the_form_does_not_name(
    http: httpx.Client, connection: Connection
) -> None:
    connection.execute(
        "SELECT pgqueue.set_limit('queue:default', concurrency => 3, rate => 10, "
        "per => interval '1 minute', burst => 4, when_full => 'cancel_newest')"
    )
    http.post("/queues/default/limit", data={"concurrency": "7", "rate": "20", "per": "1h"})
    found = row(connection, "SELECT * FROM pgqueue.limit_rule")
    assert (found["concurrency"], found["rate"], found["burst"]) == (7, 20, 4)
    assert found["when_full"] == "cancel_newest"


def test_only_who_died_of_the_error_is_retried(http: httpx.Client, connection: Connection) -> None:
    """A job that failed like this once, and died of something else, stays where it is."""
    mine, others = enqueue(connection), enqueue(connection)
    for job in (mine, others):
        connection.execute("SELECT pgqueue.bury(%s, NULL, 'dead', NULL)", [job])
    for job, fingerprint in ((mine, "a"), (others, "a"), (others, "b")):
        connection.execute(
            "INSERT INTO pgqueue.failure (job_id, attempt, queue, task, error_type, message, "
            "fingerprint) VALUES (%s, 1, 'default', 't', 'E', 'm', %s)",
            [job, fingerprint],
        )
    assert "1 job of t died of this error." in http.get("/errors/a").text
    http.post("/errors/a/retry", data={"task": "t"})
    assert (state(connection, mine), state(connection, others)) == ("queued", "dead")
    assert row(connection, "SELECT action, jobs FROM pgqueue.audit") == {
        "action": "retry", "jobs": 1,
    }  # fmt: skip


def test_two_who_retry_the_same_group_retry_each_job_once(
    http: httpx.Client, connection: Connection, other: Connection
) -> None:
    """One holds the row: the other passes it over instead of waiting for it."""
    job = enqueue(connection)
    connection.execute("SELECT pgqueue.bury(%s, NULL, 'dead', NULL)", [job])
    connection.execute(
        "INSERT INTO pgqueue.failure (job_id, attempt, queue, task, error_type, message, "
        "fingerprint) VALUES (%s, 1, 'default', 't', 'E', 'm', 'a')",
        [job],
    )
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job_dead FOR UPDATE")
        answer = http.post("/errors/a/retry", data={"task": "t"})
        assert "None+of+its+jobs+is+dead" in answer.headers["location"]
    assert value(connection, "SELECT count(*) FROM pgqueue.audit") == 0


def test_pausing_with_a_browser(page: Page, connection: Connection) -> None:
    enqueue(connection)
    page.goto("queues")
    page.get_by_role("link", name="Pause…").click()
    expect(page.get_by_text("0 running jobs finish; 1 that wait")).to_be_visible()
    page.get_by_label("Reason").fill("deploy")
    page.get_by_role("textbox", name="For").fill("30m")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("default is paused for 30m")
    expect(page.locator(".notice")).to_contain_text("Paused by tester: deploy")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("default goes on.")
    expect(page.locator(".notice")).to_have_count(0)


def test_pausing_without_scripts(chromium: Browser, url: str, connection: Connection) -> None:
    enqueue(connection)
    context = chromium.new_context(base_url=url + "/", java_script_enabled=False)
    page = context.new_page()
    page.goto("queues/default")
    page.locator("summary", has_text="Pause…").click()
    page.get_by_label("Reason").fill("deploy")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".notice")).to_contain_text("Paused by tester: deploy")
    context.close()
    assert value(connection, "SELECT paused_by FROM pgqueue.queue") == "tester"


def test_what_one_does_is_seen_by_the_other(
    page: Page, http: httpx.Client, connection: Connection
) -> None:
    page.goto("queues/default")
    expect(page.locator(".notice")).to_have_count(0)
    http.post("/queues/default/pause", data={"reason": "from elsewhere"})
    expect(page.locator(".notice")).to_contain_text("from elsewhere")


def test_a_password_is_asked_for_before_anything_is_done(dsn: str, connection: Connection) -> None:
    access = Passwords({"ada": ("secret", "operator")})
    with served(dsn, access) as url, client(url) as http:
        assert http.post("/queues/default/pause").status_code == 401
        wrong = base64.b64encode(b"ada:wrong").decode()
        headers = {"authorization": f"Basic {wrong}"}
        assert http.post("/queues/default/pause", headers=headers).status_code == 401
    assert value(connection, "SELECT paused_at FROM pgqueue.queue") is None
