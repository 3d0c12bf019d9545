"""The page of one job."""

import re
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue.dashboard.access import Anybody
from tests.support import enqueue, value
from tests.support.dashboards import client, served
from tests.support.states import charge, declare, one_of_each

Connection = psycopg.Connection[Any]


def test_each_state_tells_its_story(http: httpx.Client, connection: Connection) -> None:
    for state, id in one_of_each(connection).items():
        answer = http.get(f"/jobs/{id}")
        assert answer.status_code == 200, answer.text
        assert f'class="state state-{state}"' in answer.text
        why = value(connection, "SELECT pgqueue.why(%s)", id)
        assert str(why).split(":")[0].replace('"', "&#34;").replace("'", "&#39;") in answer.text


def test_failed_attempts_are_there_with_their_tracebacks(
    http: httpx.Client, connection: Connection
) -> None:
    made = one_of_each(connection)
    text = http.get(f"/jobs/{made['dead']}").text
    assert "raise CardDeclined(&#34;card declined&#34;)" in text
    assert 'class="failure" open' in text
    assert f"pgqueue jobs show {made['dead']}" in text
    assert f"SELECT * FROM pgqueue.jobs WHERE id = {made['dead']};" in text
    assert "Last runs of this task" in text


def test_a_job_that_is_not_there_says_why(http: httpx.Client) -> None:
    answer = http.get("/jobs/4711")
    assert answer.status_code == 404
    assert "was never enqueued" in answer.text
    assert http.get(f"/jobs/{2**70}").status_code == 404


def test_jobs_beside_it(http: httpx.Client, connection: Connection) -> None:
    order: dict[str, Any] = {"flow": {"order_key": "customer 42"}}
    first, other = enqueue(connection, "a", **order), enqueue(connection, "b", **order)
    enqueue(connection, "c")
    last = enqueue(connection, "a")
    text = http.get(f"/jobs/{first}").text
    assert f'rel="next" href="/jobs/{last}"' in text
    assert f'<a href="/jobs/{other}">#{other} →</a>' in text
    assert f'rel="prev" href="/jobs/{first}"' in http.get(f"/jobs/{last}").text


def test_options_are_told_in_words(http: httpx.Client, connection: Connection) -> None:
    flow = {
        "order_key": "customer 42",
        "fair_key": "acme",
        "limits": ["stripe"],
        "expires_in": "1 hour",
        "unique": {"key": "u", "while": "queued"},
    }
    text = http.get(f"/jobs/{enqueue(connection, 't', flow=flow, timeout='90 s')}").text
    for words in ("customer 42: one at a time", "acme: tenants", "stripe", "u: held while queued"):
        assert words in text
    assert "<dt>Timeout</dt><dd>1m 30s</dd>" in text


@pytest.mark.parametrize(
    "document",
    [
        '{"n": 1e5000}',
        '{"n": ' + "[" * 2000 + "]" * 2000 + "}",
        '{"n": -1e-300, "m": 12345678901234567890123456789}',
        '{"n": "' + "x" * 300_000 + '"}',
        '{"n": [' + "1," * 5000 + "1]}",
        "{" + ",".join(f'"k{n}": {n}' for n in range(3000)) + "}",
    ],
    ids=["huge number", "deep", "numbers", "long text", "long list", "wide"],
)
def test_no_document_breaks_the_page(
    http: httpx.Client, connection: Connection, document: str
) -> None:
    id = value(
        connection,
        "INSERT INTO pgqueue.job (task, args) VALUES ('t', CAST(%s AS jsonb)) RETURNING id",
        document,
    )
    for path in (f"/jobs/{id}", f"/enqueue?job={id}", "/jobs?q=args.n:1"):
        answer = http.get(path)
        assert answer.status_code == 200, path
    text = http.get(f"/jobs/{id}").text
    assert text.count("<details") == text.count("</details>")
    assert len(text) < 400_000
    raw = http.post(f"/jobs/{id}/raw", data={"document": "args"})
    assert raw.text == value(connection, "SELECT CAST(args AS text) FROM pgqueue.job")


def test_numbers_are_shown_as_they_are(http: httpx.Client, connection: Connection) -> None:
    id = value(
        connection,
        """INSERT INTO pgqueue.job (task, args)
        VALUES ('t', '{"a": 12345678901234567890.10, "b": true, "c": null, "d": ""}')
        RETURNING id""",
    )
    text = http.get(f"/jobs/{id}").text
    assert "12345678901234567890.10" in text


def test_what_is_hidden_is_hidden(http: httpx.Client, connection: Connection, dsn: str) -> None:
    declare(connection, redact=["card.number"])
    id = charge(connection)
    text = http.get(f"/jobs/{id}").text
    assert "4111" not in text
    assert "•••" in text
    assert "Ada" in text
    deep = value(
        connection,
        "INSERT INTO pgqueue.job (task, args) VALUES ('charge_card', %s::jsonb) RETURNING id",
        '{"card": {"number": "4111"}, "n": ' + "[" * 500 + "]" * 500 + "}",
    )
    assert "4111" not in http.get(f"/jobs/{deep}").text
    with served(dsn, hide_args=True) as url, client(url) as hiding:
        text = hiding.get(f"/jobs/{id}").text
        assert "Arguments and results are hidden on this dashboard" in text
        assert "Ada" not in text
        assert hiding.post(f"/jobs/{id}/raw", data={"document": "args"}).status_code == 403
        assert hiding.get(f"/enqueue?job={id}").status_code == 403


def test_reading_a_document_as_it_is_stored_is_recorded(
    http: httpx.Client, connection: Connection, dsn: str
) -> None:
    declare(connection, redact=["card.number"])
    id = charge(connection)
    assert http.get(f"/jobs/{id}/raw").status_code == 405
    answer = http.post(f"/jobs/{id}/raw", data={"document": "args"})
    assert "4111" in answer.text
    assert answer.headers["content-disposition"].startswith("attachment")
    recorded = connection.execute("SELECT actor, via, action, target FROM pgqueue.audit").fetchall()
    target = {"ids": [id], "document": "args"}
    assert recorded == [("tester", "dashboard", "read_document", target)]
    assert http.post(f"/jobs/{id}/raw", data={"document": "lease"}).status_code == 400
    assert http.post(f"/jobs/{id}/raw", data={"document": "result"}).status_code == 404
    with served(dsn, Anybody("v", "viewer")) as url, client(url) as viewer:
        assert viewer.post(f"/jobs/{id}/raw", data={"document": "args"}).status_code == 403
        assert "Download as it is stored" not in viewer.get(f"/jobs/{id}").text


def test_links_lead_elsewhere(connection: Connection, dsn: str) -> None:
    id = enqueue(connection, "a&b")
    links = {"logs": "https://logs.example/?q={job.id}&t={job.task}&x={job.args}"}
    with served(dsn, links=links) as url, client(url) as http:
        (link,) = re.findall(r'href="(https://logs[^"]+)"', http.get(f"/jobs/{id}").text)
        assert link == f"https://logs.example/?q={id}&amp;t=a%26b&amp;x={{job.args}}"
