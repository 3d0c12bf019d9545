"""Every page of figures over HTTP: what it says, to whom, and what it refuses."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from tests.dashboard.test_screens import PAGES
from tests.support import claim, complete, enqueue, eventually, expire, register, value
from tests.support.busy import fill
from tests.support.dashboards import client, served

Connection = psycopg.Connection[Any]
WINDOWED = ("", "errors", "queues/default", "tasks", "tasks/t")


@pytest.mark.parametrize("path", WINDOWED)
@pytest.mark.parametrize("window", ["10y", "-1h", "1h' OR 1=1", "9" * 5000])
def test_a_window_that_there_is_not_is_a_clear_refusal(
    http: httpx.Client, path: str, window: str
) -> None:
    answer = http.get(f"/{path}", params={"window": window})
    assert answer.status_code == 400
    assert "Go back and change it." in answer.text
    assert 'aria-label="Pages"' in answer.text


@pytest.mark.parametrize("kind", ["queues", "tasks", "schedules", "errors"])
@pytest.mark.parametrize("name", ["nobody", "%00", "a" * 5000, "%ff%fe", "..%2f..%2fetc"])
def test_what_is_not_there_is_a_page_that_says_so(http: httpx.Client, kind: str, name: str) -> None:
    answer = http.get(f"/{kind}/{name}")
    assert answer.status_code == 404
    assert 'aria-label="Pages"' in answer.text


def test_pages_of_an_empty_database_say_what_to_do(http: httpx.Client) -> None:
    said = {
        "": "No attempt failed within a day.",
        "errors": "No attempt failed within the last 24 hours.",
        "queues": ">default</a>",
        "tasks": "No worker has declared a task yet",
        "schedules": "Nothing repeats.",
        "workers": "Start one: <code>pgqueue worker</code>",
        "database": "there is no forecast",
        "audit": "Nobody did anything like this.",
    }
    for path, text in said.items():
        answer = http.get(f"/{path}")
        assert answer.status_code == 200
        assert text in answer.text, path


def test_the_doctor_is_asked_and_heard(http: httpx.Client, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    worker = register(connection, name="gone-1")
    connection.execute(
        "UPDATE pgqueue.worker SET seen_at = now() - interval '1 hour' WHERE id = %s", [worker]
    )
    text = eventually(lambda: "gone-1 is lost" in http.get("/").text and http.get("/").text)
    assert "queue mail" in text or "mail has" in text or "mail:" in text
    assert 'href="/workers">Look at workers</a>' in text


def test_the_overview_counts_by_state(http: httpx.Client, connection: Connection) -> None:
    for _ in range(3):
        enqueue(connection)
    enqueue(connection, run_at="2099-01-01T00:00Z")
    claim(connection, register(connection), 2)
    text = http.get("/").text
    for state, count in {"queued": 1, "running": 2, "scheduled": 1, "retrying": 0}.items():
        name = state.capitalize()
        assert f'q=state%3A{state}">{name}</a></dt><dd>{count}' in text, state


def test_counts_end_where_it_would_take_long(http: httpx.Client, connection: Connection) -> None:
    connection.execute("INSERT INTO pgqueue.job (task) SELECT 't' FROM generate_series(1, 10001)")
    assert ">Queued</a></dt><dd>10,000+" in http.get("/").text
    assert ">Queued</a></dt><dd>10,000+" in http.get("/queues/default").text


def test_a_queue_of_any_name_has_its_page(http: httpx.Client, connection: Connection) -> None:
    names = ("a/b", "50%25?x#y", "<b>\"'&", "żółw", "a/pause")
    for name in names:
        enqueue(connection, queue=name)
    for name in names:
        answer = http.get(f"/queues/{quote(name)}")
        assert answer.status_code == 200, name
        assert f'href="/queues/{quote(name)}"' in http.get("/queues").text
        assert "<b>\"'&" not in answer.text


def test_a_region_is_asked_for_without_the_charts(http: httpx.Client) -> None:
    whole = http.get("/").text
    live = http.get("/", headers={"hx-target": "div#live"}).text
    charts = http.get("/", headers={"hx-target": "div#charts"}).text
    assert '<figure class="chart"' in whole
    assert '<dl class="cards">' in whole
    assert '<figure class="chart"' not in live
    assert '<dl class="cards">' not in charts
    assert '<figure class="chart"' in charts


def test_history_is_in_the_tables_under_the_charts(
    http: httpx.Client, connection: Connection
) -> None:
    connection.execute(
        'SELECT pgqueue.count_attempts(\'[{"queue": "default", "task": "t", '
        '"succeeded": 30, "retried": 3}]\')'
    )
    connection.execute(
        "UPDATE pgqueue.statistic SET at = at - span WHERE span = interval '1 minute'"
    )
    text = http.get("/queues/default").text
    assert 'data-value="30">30</td>' in text
    assert 'data-label="Succeeded">30</td>' in text
    assert 'data-label="Retried">3</td>' in text
    assert "<dd>33 <small>24h</small>" in http.get("/tasks/t").text


def test_errors_are_grouped_and_counted(http: httpx.Client, connection: Connection) -> None:
    fill(connection)
    text = http.get("/errors").text
    assert "5 groups in the last 24 hours" in text
    assert "gateway.py:118 in charge" in text
    group = http.get("/errors/0000000000000000").text
    assert "raise CardDeclined(answer.text)" in group
    assert "17 jobs of shop.jobs.charge_card died of this error." in group
    assert 'class="spark bad"' in text


def test_a_task_shows_what_workers_declared(http: httpx.Client, connection: Connection) -> None:
    fill(connection)
    text = http.get("/tasks/shop.jobs.charge_card").text
    assert ">shop.jobs.charge_card(order_id: int, card: str)</pre>" in text
    assert "Charge what an order costs." in text
    assert "web-1.4711" in text
    assert 'href="/enqueue?task=shop.jobs.charge_card"' in text


def test_a_schedule_says_when_the_clock_changes(http: httpx.Client, connection: Connection) -> None:
    """Somewhere within the next year of daily runs the clock of Warsaw changes; the page about a
    schedule that runs twice a year, on both sides of that, has to say so.
    """
    connection.execute(
        "SELECT pgqueue.put_schedule(name => 'half', task => 't', cron => '30 12 15 1,7 *', "
        "timezone => 'Europe/Warsaw')"
    )
    text = http.get("/schedules/half").text
    assert "the clock goes forward by 1h" in text
    assert "the clock goes back by 1h" in text
    assert "At 12:30 on day-of-month 15 in January and July" in text or "12:30" in text
    year = datetime.now(UTC).year + 1
    assert f"{year}-01-15 12:30:00 +0100" in text
    assert f'datetime="{year}-07-15T10:30:00+00:00" data-local' in text


def test_a_schedule_that_stands_still_says_why(http: httpx.Client, connection: Connection) -> None:
    connection.execute(
        "SELECT pgqueue.put_schedule(name => 'orphan', task => 'nobody', cron => '@hourly')"
    )
    connection.execute(
        "SELECT pgqueue.put_schedule(name => 'odd', task => 't', cron => '61 * * * *')"
    )
    connection.execute(
        "UPDATE pgqueue.schedule SET error = 'its minute cannot be' WHERE name = 'odd'"
    )
    for text in (http.get("/schedules").text, http.get("/schedules/orphan").text):
        assert "no live worker knows its task nobody" in text
    text = http.get("/schedules/odd").text
    assert "It is broken: its minute cannot be" in text
    assert "until it can be read" in text


def test_arguments_of_a_schedule_are_hidden(connection: Connection, dsn: str) -> None:
    fill(connection)
    connection.execute(
        "SELECT pgqueue.put_schedule(name => 'pay', task => 'shop.jobs.charge_card', "
        'args => \'{"order_id": 7, "card": "4111-secret"}\', cron => \'@hourly\')'
    )
    for hide_args, shown in ((False, "&#34;order_id&#34;: 7"), (True, "•••")):
        with served(dsn, hide_args=hide_args) as url, client(url) as http:
            text = http.get("/schedules/pay").text
            assert shown in text
            assert "4111-secret" not in text


def test_workers_show_what_they_run(http: httpx.Client, connection: Connection) -> None:
    plain, gated = enqueue(connection), enqueue(connection, flow={"order_key": "k"})
    worker = register(connection, name="web-1", concurrency=4)
    claim(connection, worker, 1)
    connection.execute("SELECT * FROM pgqueue.claim_gated('default', 1, %s, '{}')", [worker])
    text = http.get("/workers").text
    assert "2 of 4 slots" in text
    for job in (plain, gated):
        assert f'href="/jobs/{job}">#{job}</a> t' in text


@pytest.mark.parametrize("quiet", [False, True])
def test_who_is_quiet_serves_no_queue(
    http: httpx.Client, connection: Connection, quiet: bool
) -> None:
    register(connection)
    enqueue(connection)
    if quiet:
        connection.execute("UPDATE pgqueue.worker SET draining_at = now(), quiet = true")
    assert ("no worker" in http.get("/queues").text) is quiet


def test_jobs_at_the_gate_want_a_worker_too(http: httpx.Client, connection: Connection) -> None:
    enqueue(connection, queue="sms", flow={"limits": ["gateway"]})
    for path in ("/", "/queues", "/queues/sms"):
        assert re.search(r'state-problem">.+</span> no worker', http.get(path).text), path


def test_what_is_asked_of_a_worker(http: httpx.Client, connection: Connection) -> None:
    id = register(connection, name="web-1")
    for path in (f"workers/{id}/dump", "workers/7/dump", f"workers/{10**30}/dump"):
        assert http.get(f"/{path}").status_code == 404
    assert http.post("/workers/7/quiet").status_code == 404
    told = http.post(f"/workers/{id}/quiet", follow_redirects=True).text
    assert "web-1 takes no more jobs from its next heartbeat on" in told
    assert "tester asked it to be quiet" in told
    assert "It answers with its next heartbeat." in (
        http.post(f"/workers/{id}/dump", follow_redirects=True).text
    )
    value(connection, "SELECT pgqueue.write_dump(%s, 'File <a>.py')", id)
    assert "File &lt;a&gt;.py</pre>" in http.get(f"/workers/{id}/dump").text
    http.post(f"/workers/{id}/stop")
    assert "Resume" not in http.get("/workers").text
    told = http.post(f"/workers/{id}/resume", follow_redirects=True).text
    assert "web-1 is lost, or is to stop." in told
    http.post(f"/workers/{id}/dump")
    expire(connection, id)
    assert "it cannot say what it does" in (
        http.post(f"/workers/{id}/dump", follow_redirects=True).text
    )
    assert "It did not answer: it is lost" in http.get(f"/workers/{id}/dump").text


def test_the_database_page_names_who_holds_back_vacuum(
    http: httpx.Client, connection: Connection, other: Connection
) -> None:
    (claimed,) = claim(connection, register(connection), 1) or [None]
    assert claimed is None
    enqueue(connection)
    complete(connection, *claim(connection, register(connection), 1))
    with other.transaction():
        other.execute("SELECT pg_current_xact_id()")
        text = http.get("/database").text
    assert "the test&#39;s other connection" in text
    assert "idle in transaction" in text
    assert "job_done_" not in text.split("Tables")[1].split("Open transactions")[0]
    assert f">{datetime.now(UTC):%Y-%m-%d}</th>" in text


def test_a_role_that_sees_little_is_told_so(connection: Connection, dsn: str) -> None:
    connection.execute("DROP ROLE IF EXISTS pgqueue_looks; CREATE ROLE pgqueue_looks LOGIN")
    try:
        connection.execute("GRANT USAGE ON SCHEMA pgqueue TO pgqueue_looks")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA pgqueue TO pgqueue_looks")
        as_role = dsn + ("&" if "?" in dsn else "?") + "options=-crole%3Dpgqueue_looks"
        with served(as_role) as url, client(url) as http:
            for path in PAGES.values():
                if "/" not in path and "?" not in path:
                    assert http.get(f"/{path}").status_code == 200, path
            assert "does not see what sessions of other roles do" in http.get("/database").text
            refused = http.post("/queues/default/pause")
            assert refused.status_code == 403
            assert "database role" in refused.text
    finally:
        connection.execute("DROP OWNED BY pgqueue_looks; DROP ROLE pgqueue_looks")


def test_a_slow_doctor_keeps_nobody_waiting(
    connection: Connection, other: Connection, dsn: str
) -> None:
    """Somebody locks a table that the doctor looks at, and no page does: pages answer, and the
    dashboard ends while the doctor still waits.
    """
    with served(dsn) as url, client(url) as http:
        http.get("/audit")  # the schema is looked at once
        with other.transaction():
            other.execute("LOCK TABLE pgqueue.schema_version IN ACCESS EXCLUSIVE MODE")
            assert "The doctor has not answered yet." in http.get("/database").text
        eventually(lambda: "checks found nothing wrong" in http.get("/database").text)
        other.execute("BEGIN")
        other.execute("LOCK TABLE pgqueue.schema_version IN ACCESS EXCLUSIVE MODE")
        http.post("/queues/default/pause")  # after an act the doctor looks again
        http.get("/database")
    other.execute("ROLLBACK")
