"""The list of jobs: states, search, paging, and how little of the tables it reads."""

import re
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue.dashboard.search import STATES
from tests.support import claim, enqueue, register
from tests.support.dashboards import client, served
from tests.support.states import charge, declare, one_of_each

Connection = psycopg.Connection[Any]


def listed(answer: httpx.Response) -> list[int]:
    """The ids in the table, from its first row on."""
    assert answer.status_code == 200, answer.text
    return [int(id) for id in re.findall(r'<th scope="row"><a href="/jobs/(\d+)">', answer.text)]


def search(http: httpx.Client, q: str, **more: Any) -> list[int]:
    return listed(http.get("/jobs", params={"q": q, **more}))


def test_each_state_has_its_tab_and_its_number(http: httpx.Client, connection: Connection) -> None:
    made = one_of_each(connection)
    for state in STATES:
        answer = http.get("/jobs", params={"q": f"state:{state}"})
        assert listed(answer) == [made[state]]
        (tab,) = re.findall(
            r'aria-current="page"><span[^>]*>[^<]*</span> (\w+) <small>([^<]+)<', answer.text
        )
        assert tab == (state, "1")
    assert listed(http.get("/jobs")) == sorted(made.values(), reverse=True)


@pytest.mark.parametrize(
    ("q", "states"),
    [
        ("state:dead state:cancelled", ["dead", "cancelled"]),
        ("task:send_* state:scheduled", ["scheduled"]),
        ("tag:vip state:dead", ["dead"]),
        ("args.card.name:Ada state:dead", ["dead"]),
        ("args.order_id:42 state:queued", ["queued"]),
        ('error:"Card Declined"', ["dead", "retrying"]),
        ('error:"by mistake"', ["cancelled"]),
        ("worker:web-1 state:running", ["running"]),
        ("worker:web-* state:dead", ["dead"]),
        ("SEND_ state:blocked", ["blocked"]),
        ("queue:default before:-1h", []),
        ("after:-1h state:succeeded", ["succeeded"]),
        ("queue:elsewhere", []),
        ("meta.tenant:7", []),
    ],
)
def test_the_search_finds(
    http: httpx.Client, connection: Connection, q: str, states: list[str]
) -> None:
    made = one_of_each(connection)
    assert set(search(http, q)) == {made[state] for state in states}


def test_words_find_an_id_or_a_task(http: httpx.Client, connection: Connection) -> None:
    id = charge(connection)
    other = enqueue(connection, "charge_back")
    assert search(http, str(id)) == [id]
    assert search(http, "charge") == [other, id]
    assert search(http, f"id:{id} id:{other}") == [other, id]


def test_pages_lead_both_ways(http: httpx.Client, connection: Connection) -> None:
    ids = [enqueue(connection) for _ in range(120)][::-1]
    seen: list[int] = []
    path = "/jobs?q=task:t"
    while path:
        answer = http.get(path)
        seen += listed(answer)
        path = link(answer, "next")
    assert seen == ids
    third = answer
    second = http.get(link(third, "prev"))
    assert listed(second) == ids[50:100]
    assert listed(http.get(link(second, "prev"))) == ids[:50]


def link(answer: httpx.Response, rel: str) -> str:
    found = re.findall(rf'rel="{rel}" href="([^"]+)"', answer.text)
    return str(found[0]).replace("&amp;", "&") if found else ""


def test_running_jobs_are_found_among_many_queued(
    http: httpx.Client, connection: Connection
) -> None:
    connection.execute("""
        SELECT pgqueue.enqueue('t', priority => n % 3, queue => 'q' || n % 5)
        FROM generate_series(1, 30000) n
    """)
    worker = register(connection, queues=["q1", "q2"])
    running = [job["id"] for queue in ("q1", "q2") for job in claim(connection, worker, 3, queue)]
    assert search(http, "state:running") == sorted(running, reverse=True)
    answer = http.get("/jobs")
    assert "queued <small>10,000+</small>" in answer.text
    assert "running <small>6</small>" in answer.text


ENDED = """
INSERT INTO pgqueue.job_dead (id, state, run_at, enqueued_at, finished_at, priority, attempt,
                              max_attempts, queue, task, args)
SELECT n, %s, now(), now(), now(), 0, 1, 1, 'default', 't', '{}'
FROM generate_series(%s::int, %s::int) AS n
"""


def number(text: str, state: str) -> str:
    """What the tab of a state says."""
    (found,) = re.findall(rf"{state} <small>([^<]+)</small>", text)
    return str(found)


def test_jobs_that_died_are_counted_behind_many_that_were_cancelled(
    http: httpx.Client, connection: Connection
) -> None:
    connection.execute(ENDED, ["dead", 1, 3])
    connection.execute(ENDED, ["cancelled", 4, 11_000])
    text = http.get("/jobs").text
    assert (number(text, "dead"), number(text, "cancelled")) == ("3", "10,000+")
    text = http.get("/jobs?q=task:t").text
    assert (number(text, "dead"), number(text, "cancelled")) == ("?", "10,000+"), "not looked at"


def test_a_page_says_where_looking_ended(
    http: httpx.Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.dashboard.finding.REACH", 100)
    monkeypatch.setattr("pgqueue.dashboard.finding.PATIENCE", 0)
    old = enqueue(connection, "old")
    for _ in range(250):
        enqueue(connection, "new")
    answer = http.get("/jobs", params={"q": "task:old"})
    assert listed(answer) == []
    assert "has not been looked at yet" in answer.text
    answer = http.get(link(answer, "next"))
    answer = http.get(link(answer, "next"))
    assert listed(answer) == [old]
    monkeypatch.setattr("pgqueue.dashboard.finding.PATIENCE", 60)
    answer = http.get("/jobs", params={"q": "task:old"})
    assert listed(answer) == [old]
    assert "does not follow changes" in answer.text


def test_a_search_that_takes_too_long_says_what_to_do(
    http: httpx.Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.dashboard.database.LONGEST", "50ms")
    with connection.transaction():
        connection.execute("LOCK pgqueue.job_done")
        answer = http.get("/jobs?q=task:t")
    assert answer.status_code == 503
    assert "Narrow it" in answer.text


def test_a_search_that_is_not_understood_says_where(http: httpx.Client) -> None:
    answer = http.get("/jobs", params={"q": "task:t stat:dead"})
    assert answer.status_code == 400
    assert "there is no field stat: did you mean state?" in answer.text
    assert "task:t <mark>stat</mark>:dead" in answer.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"older": "x"},
        {"older": "-1"},
        {"newer": str(2**63)},
        {"q": "x" * 2000},
        {"q": "id:99999999999999999999"},
        {"q": "after:yesterday"},
    ],
)
def test_what_is_out_of_bounds_is_refused(http: httpx.Client, parameters: dict[str, str]) -> None:
    answer = http.get("/jobs", params=parameters)
    assert answer.status_code == 400
    assert 'aria-label="Pages"' in answer.text


def test_other_parameters_become_a_search(http: httpx.Client) -> None:
    answer = http.get("/jobs", params={"queue": "e mail", "state": "dead"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/jobs?q=queue%3A%22e+mail%22+state%3Adead"


def test_values_are_escaped(http: httpx.Client, connection: Connection) -> None:
    evil = '<script>alert("x")</script>'
    id = enqueue(connection, evil, tags=[evil], queue=evil, args={evil: evil})
    for path in ("/jobs", f"/jobs/{id}", f"/jobs?q={evil}", f"/jobs/act?action=cancel&id={id}"):
        assert "<script>alert" not in http.get(path).text


def test_completion_knows_queues_tasks_and_states(
    http: httpx.Client, connection: Connection
) -> None:
    register(connection, queues=["email", "e mail"], tasks=["send_receipt"])

    def complete(text: str) -> list[str]:
        return http.get("/jobs/complete", params={"text": text}).json()

    assert complete("sta") == ["state:"]
    assert complete("tag:vip state:de") == ["tag:vip state:dead"]
    assert complete("queue:e") == ['queue:"e mail"', "queue:email"]
    assert complete("task:send") == ["task:send_receipt"]
    assert complete("nonsense:") == []


def test_hidden_arguments_cannot_be_guessed(
    http: httpx.Client, connection: Connection, dsn: str
) -> None:
    id = charge(connection)
    assert search(http, "args.card.number:4111") == [id]
    declare(connection, redact=["card.number"])
    assert search(http, "args.card.number:4111") == []
    assert search(http, "args.order_id:42") == [id]
    with served(dsn, hide_args=True) as url, client(url) as hiding:
        answer = hiding.get("/jobs", params={"q": "args.order_id:42"})
        assert answer.status_code == 400
        assert "Arguments are hidden" in answer.text
