"""The audit: what it shows, page by page, and what leaves it as a file."""

import csv
import io
import json
from typing import Any

import httpx
import psycopg
import pytest

Connection = psycopg.Connection[Any]


def record(connection: Connection, actor: str, action: str, reason: str | None = None) -> None:
    connection.execute(
        "SELECT pgqueue.record_action(%s, 'cli', %s, '{\"queue\": \"mail\"}', 3, %s)",
        [actor, action, reason],
    )


def test_records_are_filtered_by_who_what_and_when(
    http: httpx.Client, connection: Connection
) -> None:
    record(connection, "ada", "pause_queue")
    record(connection, "grace", "set_limit")
    record(connection, "old", "set_limit")
    connection.execute(
        "UPDATE pgqueue.audit SET at = now() - interval '40 days' WHERE actor = 'old'"
    )

    def actors(**query: str) -> list[str]:
        items = http.get("/audit.json", params=query).json()["items"]
        return [item["actor"] for item in items]

    assert actors() == ["grace", "ada"]
    assert actors(since="90d") == ["old", "grace", "ada"]
    assert actors(actor="ada") == ["ada"]
    assert actors(action="set_limit", since="90d") == ["old", "grace"]
    assert ">ada</a>" not in http.get("/audit", params={"action": "set_limit"}).text


@pytest.mark.parametrize(
    "query", [{"since": "ever"}, {"before": "x"}, {"before": "0"}, {"before": "9" * 19}]
)
def test_a_bad_filter_is_refused(http: httpx.Client, query: dict[str, str]) -> None:
    for path in ("/audit", "/audit.csv", "/audit.json"):
        assert http.get(path, params=query).status_code == 400


def test_pages_follow_each_other(http: httpx.Client, connection: Connection) -> None:
    connection.execute(
        "SELECT pgqueue.record_action('ada', 'cli', 'act_' || n, '{}') "
        "FROM generate_series(1, 120) AS n"
    )
    seen, path = [], "/audit"
    for _ in range(3):
        text = http.get(path).text
        seen += [n for n in range(1, 121) if f'<th scope="row" class="number">{n}</th>' in text]
        older = text.rpartition('">Older</a>')[0].rpartition('href="')[2]
        path = older.replace("&amp;", "&")
    assert sorted(seen) == list(range(1, 121))
    assert ">Older</a>" not in text


@pytest.mark.parametrize("risky", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_spreadsheet_finds_no_formula(
    http: httpx.Client, connection: Connection, risky: str
) -> None:
    record(connection, risky + "who", risky + "what", risky + "why")
    answer = http.get("/audit.csv")
    assert answer.headers["content-disposition"].endswith('filename="pgqueue-audit.csv"')
    (header, line) = csv.reader(io.StringIO(answer.text, newline=""))
    found = dict(zip(header, line, strict=True))
    for name in ("actor", "action", "reason"):
        assert found[name].startswith("'" + risky)
    assert json.loads(found["target"]) == {"queue": "mail"}
    (item,) = http.get("/audit.json").json()["items"]
    assert item["actor"] == risky + "who"


def test_nothing_in_it_is_taken_for_html(http: httpx.Client, connection: Connection) -> None:
    nasty = "<script>alert(1)</script>"
    record(connection, nasty, nasty, nasty)
    text = http.get("/audit", params={"actor": nasty}).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_an_instant_is_told_as_everywhere(http: httpx.Client, connection: Connection) -> None:
    connection.execute(
        "SELECT pgqueue.record_action('ada', 'cli', 'pause_queue', jsonb_build_object("
        "'until', '2026-11-27T19:30:35.924938Z', 'other', '2026-99-27T19:30:35Z', "
        "'since', '2026-11-27T21:30:35.9+02:00'))"
    )
    text = http.get("/audit").text
    assert text.count(" 2026-11-27 19:30:35 UTC<") == 2
    assert " 2026-99-27T19:30:35Z<" in text
