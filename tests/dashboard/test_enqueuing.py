"""Enqueuing by hand: forms made from a schema, JSON, and copies of jobs."""

from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Annotated, Any

import httpx
import msgspec
import psycopg
import pytest

from tests.support import enqueue, job, row, value
from tests.support.dashboards import client
from tests.support.jobs import existing_job
from tests.support.states import charge, declare, declare_function

Connection = psycopg.Connection[Any]


class Currency(Enum):
    EUR = "EUR"
    USD = "USD"


class Line(msgspec.Struct):
    price: float


def charge_card(
    order_id: int,
    currency: Currency = Currency.EUR,
    note: Annotated[str, msgspec.Meta(description="For the receipt.")] = "",
    dry: bool = False,
    lines: list[Line] = [],  # noqa: B006
) -> None:
    """Charge what an order costs."""


def hello() -> None:
    """Take nothing."""


def newest(connection: Connection) -> dict[str, Any]:
    return existing_job(connection, value(connection, "SELECT max(id) FROM pgqueue.jobs"))


def test_a_task_is_asked_for_first(http: httpx.Client, connection: Connection) -> None:
    declare(connection)
    text = http.get("/enqueue").text
    assert '<option value="charge_card">' in text
    assert "No worker has declared this task" in http.get("/enqueue?task=unheard_of").text


def test_many_refusals_at_once_keep_nobody_waiting(url: str) -> None:
    """Each has one connection: who held one and waited for another would never get it."""

    def ask(number: int) -> int:
        with client(url) as http:
            return http.post("/enqueue", data={"task": "t", "args": "{bad"}).status_code

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(ask, range(12))) == {400}


def test_what_a_worker_declared_becomes_a_form(http: httpx.Client, connection: Connection) -> None:
    declare_function(connection, charge_card, queue="pay", priority=3, max_attempts=5)
    text = http.get("/enqueue?task=charge_card").text
    for part in (
        '<input id="arg.order_id"',
        '<select id="arg.currency"',
        "<option>USD</option>",
        "For the receipt.",
        '<textarea id="arg.lines"',
        'name="queue" list="queues" maxlength="100" value="pay"',
    ):
        assert part in text
    fields = {
        "task": "charge_card",
        "arg.order_id": "42",
        "arg.currency": "USD",
        "arg.note": "",
        "arg.dry": "true",
        "arg.lines": '[{"price": 10.50}]',
        "queue": "pay",
        "priority": "3",
        "tags": "vip  black-friday",
    }
    answer = http.post("/enqueue", data=fields)
    assert answer.status_code == 303, answer.text
    found = newest(connection)
    lines = [{"price": 10.5}]
    assert found["args"] == {"order_id": 42, "currency": "USD", "dry": True, "lines": lines}
    assert (found["queue"], found["priority"], found["max_attempts"]) == ("pay", 3, 5)
    assert found["tags"] == ["vip", "black-friday"]
    assert value(connection, "SELECT args::text FROM pgqueue.jobs").count("10.50") == 1
    recorded = row(connection, "SELECT actor, action, target, jobs FROM pgqueue.audit")
    target = {"task": "charge_card", "queue": "pay", "priority": 3, "ids": [found["id"]]}
    assert recorded == {"actor": "tester", "action": "enqueue", "target": target, "jobs": 1}


def test_a_task_without_arguments_asks_for_none(http: httpx.Client, connection: Connection) -> None:
    declare_function(connection, hello)
    assert "This task takes none." in http.get("/enqueue?task=hello").text
    assert http.post("/enqueue", data={"task": "hello"}).status_code == 303
    assert newest(connection)["args"] == {}


@pytest.mark.parametrize("ref", ["#/$defs/t", "#/$defs/gone", "t", 7, None])
def test_references_that_lead_nowhere_leave_json(
    http: httpx.Client, connection: Connection, ref: Any
) -> None:
    declare(connection, schema={"$ref": ref, "$defs": {"t": {"$ref": ref}}})
    assert '<textarea name="args"' in http.get("/enqueue?task=charge_card").text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "order_id is missing."),
        ({"arg.order_id": "x"}, "order_id: this is no JSON"),
        ({"arg.order_id": '"x"'}, "order_id is a number."),
        ({"arg.order_id": "1", "arg.currency": "DM"}, "currency is one of EUR, USD."),
        ({"arg.order_id": "1", "arg.dry": "1"}, "dry is true or false."),
        ({"args": "{"}, "Arguments: this is no JSON; line 1, column 2"),
        ({"args": "[1]"}, "Arguments are a JSON object"),
        ({"args": '{"n": ' + "[" * 200 + "]" * 200 + "}"}, "levels deep"),
        ({"args": '{"n": "\\u0000"}'}, "The database refuses"),
        ({"args": '{"n": NaN}'}, "The database refuses"),
        ({"args": '{"n": "\\ud800"}'}, "half a character"),
        ({"args": "{}", "queue": "ü" * 100}, "The database refuses: "),
    ],
)
def test_what_is_wrong_is_told_and_what_was_typed_is_kept(
    http: httpx.Client, connection: Connection, fields: dict[str, str], told: str
) -> None:
    declare_function(connection, charge_card)
    answer = http.post("/enqueue", data={"task": "charge_card", "tags": "kept"} | fields)
    assert answer.status_code == 400
    assert told in answer.text
    assert 'value="kept"' in answer.text
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 0


def test_a_job_for_later(http: httpx.Client, connection: Connection) -> None:
    fields = {"task": "t", "args": "{}", "run_at": "2031-01-02T03:04"}
    assert http.post("/enqueue", data=fields).status_code == 303
    found = newest(connection)
    assert (found["state"], found["run_at"].year) == ("scheduled", 2031)


def test_a_copy_has_the_options_of_the_first_but_its_key(
    http: httpx.Client, connection: Connection
) -> None:
    flow = {"order_key": "customer 42", "limits": ["stripe"], "unique": {"key": "k"}}
    id = enqueue(connection, "t", args={"n": 1}, flow=flow, meta={"by": "a"}, timeout="90 s")
    text = http.get(f"/enqueue?job={id}").text
    assert "&#34;n&#34;: 1" in text
    http.post("/enqueue", data={"task": "t", "job": id, "args": '{"n": 2}'})
    found = newest(connection)
    assert found["id"] != id
    assert (found["args"], found["meta"]) == ({"n": 2}, {"by": "a"})
    assert found["flow"] == {"order_key": "customer 42", "limits": {"stripe": 1}}
    assert found["timeout"].total_seconds() == 90


def test_what_is_hidden_is_copied_unseen(http: httpx.Client, connection: Connection) -> None:
    declare(connection, redact=["card.number"])
    id = charge(connection)
    text = http.get(f"/enqueue?job={id}").text
    assert "4111" not in text
    assert "•••" in text
    args = '{"order_id": 43, "card": {"number": "•••", "name": "Ada"}}'
    http.post("/enqueue", data={"task": "charge_card", "job": id, "args": args})
    found = newest(connection)
    assert found["args"] == {"order_id": 43, "card": {"number": "4111", "name": "Ada"}}


def test_a_copy_of_what_is_gone_is_refused(http: httpx.Client, connection: Connection) -> None:
    assert http.get("/enqueue?job=999").status_code == 404
    assert http.post("/enqueue", data={"task": "t", "job": "999"}).status_code == 404
    assert http.post("/enqueue", data={"args": "{}"}).status_code == 400
    assert job(connection, 1) is None
