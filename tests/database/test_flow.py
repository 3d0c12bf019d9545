"""Flow options in plain SQL: stored as they will be read, refused with what to do."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import enqueue, row, rows, value, values
from tests.support.jobs import existing_job

Connection = psycopg.Connection[Any]
ENQUEUE_MANY = "SELECT pgqueue.enqueue_many(%s)"
FOR_EXAMPLE = """For example: '{"order_key": "customer 42"}'"""
A_KEY = "Use the key of a row, or a digest of more."
LISTED = """For example: '["stripe", "tenant:42"]'"""
A_LIMIT = (
    "A name has 1 to 200 bytes, a weight lies between 1 and 9999999; "
    "the limits of its queue and its task hold for a job anyway."
)
AN_INSTANT = 'For example: "2030-01-01T12:00:00Z".'
A_DURATION = 'For example: "5 minutes".'
DEBOUNCE = {"key": "k", "while": "queued", "on_conflict": "replace"}
REFUSED: list[tuple[Any, str, str]] = [
    ([], "flow is a JSON object, got array", FOR_EXAMPLE),
    ("x", "flow is a JSON object, got string", FOR_EXAMPLE),
    ({"order_key": ""}, "order_key is a string of 1 to 200 bytes", A_KEY),
    ({"order_key": 42}, "order_key is a string of 1 to 200 bytes", A_KEY),
    ({"fair_key": "ä" * 101}, "fair_key is a string of 1 to 200 bytes", A_KEY),
    (
        {"limits": "stripe"},
        "limits are an array of names, or an object of names and weights",
        LISTED,
    ),
    ({"limits": None}, "limits are an array of names, or an object of names and weights", LISTED),
    ({"limits": [""]}, '"" is no limit of a job', A_LIMIT),
    ({"limits": ["ä" * 101]}, f'"{"ä" * 101}" is no limit of a job', A_LIMIT),
    ({"limits": ["queue:mail"]}, '"queue:mail" is no limit of a job', A_LIMIT),
    ({"limits": ["task:charge"]}, '"task:charge" is no limit of a job', A_LIMIT),
    ({"limits": {"stripe": 0}}, '"stripe" is no limit of a job', A_LIMIT),
    ({"limits": {"stripe": 1.5}}, '"stripe" is no limit of a job', A_LIMIT),
    ({"limits": {"stripe": "1"}}, '"stripe" is no limit of a job', A_LIMIT),
    ({"limits": {"stripe": 10_000_000}}, '"stripe" is no limit of a job', A_LIMIT),
    (
        {"on_failure": "skip"},
        'on_failure is "block" or "skip", and goes with an order_key',
        "block: the next of the key waits while the first is retried; skip: it goes ahead.",
    ),
    (
        {"on_failure": "stop", "order_key": "a"},
        'on_failure is "block" or "skip", and goes with an order_key',
        "block: the next of the key waits while the first is retried; skip: it goes ahead.",
    ),
    *(
        ({field: given}, f"{field} is an instant between the years 2 and 9998", AN_INSTANT)
        for field in ("expires_at", "retry_until")
        for given in ("garbage", "2030-13-01", "infinity", "0001-01-01", "", 5, None, {})
    ),
    *(
        ({field: given}, f"{field} is longer than zero, at most 1000 years", A_DURATION)
        for field in ("expires_in", "retry_for")
        for given in ("-1 hour", "0 s", "365001 days", None)
    ),
]


@pytest.mark.parametrize("many", [False, True], ids=["enqueue", "enqueue_many"])
@pytest.mark.parametrize(("flow", "message", "hint"), REFUSED)
def test_what_is_refused(
    connection: Connection, flow: Any, message: str, hint: str, many: bool
) -> None:
    query, given = "SELECT pgqueue.enqueue('t', flow => %s)", flow
    if many:
        query, given = ENQUEUE_MANY, [{"task": "t"}, {"task": "t", "flow": flow}]
    with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
        connection.execute(query.encode(), [Jsonb(given)])
    assert caught.value.diag.message_primary == f"pgqueue: {message}"
    assert caught.value.diag.message_hint == hint
    assert rows(connection, "SELECT FROM pgqueue.job") == []


def test_an_unknown_field_is_refused_and_the_known_ones_named(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
        enqueue(connection, flow={"orderkey": "a"})
    assert caught.value.diag.message_primary == 'pgqueue: flow has no field "orderkey"'
    assert str(caught.value.diag.message_hint).startswith("Fields: order_key, on_failure, fair_key")


@pytest.mark.parametrize("many", [False, True], ids=["enqueue", "enqueue_many"])
def test_it_is_stored_in_one_form(connection: Connection, many: bool) -> None:
    flow = {
        "order_key": "customer 42",
        "on_failure": "skip",
        "fair_key": "ä😀 %s",
        "limits": ["stripe", "tenant:42"],
        "expires_in": "2 hours",
        "retry_for": "90 seconds",
    }
    with connection.transaction():
        if many:
            ids = values(
                connection, ENQUEUE_MANY, Jsonb([{"task": "t"}, {"task": "t", "flow": flow}])
            )
            id = max(ids)
        else:
            id = enqueue(connection, flow=flow)
        found = existing_job(connection, id)
        now = value(connection, "SELECT now()")
    stored = found["flow"]
    assert found["state"] == "blocked"
    assert stored["limits"] == {"stripe": 1, "tenant:42": 1}
    assert {name: stored[name] for name in ("order_key", "on_failure", "fair_key")} == {
        name: flow[name] for name in ("order_key", "on_failure", "fair_key")
    }
    instant = "SELECT (flow ->> %s)::timestamptz FROM pgqueue.job WHERE id = %s"
    assert value(connection, instant, "expires_at", id) == now + timedelta(hours=2)
    assert value(connection, instant, "retry_until", id) == now + timedelta(seconds=90)
    assert set(stored) == {
        *("order_key", "on_failure", "fair_key", "limits", "expires_at", "retry_until")
    }
    gate = row(connection, "SELECT * FROM pgqueue.gate WHERE job_id = %s", id)
    assert (gate["buckets"], gate["weights"]) == (["stripe", "tenant:42"], [1, 1])
    assert (gate["order_key"], gate["fair_key"]) == ("customer 42", "ä😀 %s")
    assert (gate["skips_failing"], gate["state"]) == (True, "open")


@pytest.mark.parametrize("many", [False, True], ids=["enqueue", "enqueue_many"])
@pytest.mark.parametrize(
    ("options", "flow"),
    [
        ({"run_at": "2100-01-02Z"}, {"expires_at": "2100-01-01T00:00:00Z"}),
        ({"run_at": "2100-01-01Z"}, {"expires_at": "2100-01-01T00:00:00Z"}),
        ({"run_at": "2100-01-01Z"}, {"expires_in": "1 hour"}),
        ({}, {"expires_in": "2 s", "unique": {**DEBOUNCE, "delay": "8 s"}}),
    ],
)
def test_no_job_expires_before_it_is_due(
    connection: Connection, options: dict[str, Any], flow: dict[str, Any], many: bool
) -> None:
    def attempt() -> None:
        if many:
            given = [{"task": "t"}, {"task": "t", "flow": flow, **options}]
            connection.execute(ENQUEUE_MANY, [Jsonb(given)])
        else:
            enqueue(connection, flow=flow, **options)

    with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
        attempt()
    told = "pgqueue: the job would expire before it is due, at "
    assert str(caught.value.diag.message_primary).startswith(told)
    assert caught.value.diag.message_hint == "Let it expire later, or run earlier."
    assert rows(connection, "SELECT FROM pgqueue.job") == []


def test_a_delay_is_shorter_than_the_expiry(connection: Connection) -> None:
    many = [{"task": "t", "delay": "2 hours", "flow": {"expires_in": "1 hour"}}]
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="before it is due"):
        connection.execute(ENQUEUE_MANY, [Jsonb(many)])
    many[0]["flow"] = {"expires_in": "3 hours"}
    (id,) = values(connection, ENQUEUE_MANY, Jsonb(many))
    assert existing_job(connection, id)["state"] == "scheduled"


def test_a_job_that_is_due_may_come_too_late(connection: Connection) -> None:
    """As when a message was under way for long: it is cancelled, and says why."""
    flow = {"expires_at": "2020-01-02T00:00:00Z"}
    id = enqueue(connection, run_at="2020-01-03Z", flow=flow)
    assert existing_job(connection, id)["state"] == "blocked"


@pytest.mark.parametrize("limits", [[], {}], ids=str)
def test_no_limits_are_none(connection: Connection, limits: Any) -> None:
    id = enqueue(connection, flow={"limits": limits})
    found = existing_job(connection, id)
    assert (found["state"], found["flow"]) == ("queued", None)


def test_a_retry_budget_alone_needs_no_gate(connection: Connection) -> None:
    id = enqueue(connection, flow={"retry_for": "1 hour"})
    assert existing_job(connection, id)["state"] == "queued"
    assert rows(connection, "SELECT FROM pgqueue.gate") == []


def test_an_instant_is_stored_as_it_was_meant(connection: Connection) -> None:
    """Whoever reads it may do so on another day, in another zone, with another order of fields."""
    connection.execute("SET timezone = 'America/New_York'")
    connection.execute("SET datestyle = 'ISO, DMY'")
    id = enqueue(connection, flow={"expires_at": "01/02/2100 12:00:00", "retry_until": "tomorrow"})
    stored = existing_job(connection, id)["flow"]
    assert stored["expires_at"] == "2100-02-01T12:00:00-05:00"
    assert datetime.fromisoformat(stored["retry_until"]).tzinfo is not None


@pytest.mark.parametrize(
    "flow",
    [
        {"expires_at": "garbage"},
        {"expires_at": 5},
        {"expires_at": "infinity"},
        {"retry_until": "garbage"},
        {"retry_until": "0001-01-01"},
        {"limits": ["stripe"]},
        {"limits": {"stripe": "one"}},
        {"limits": {"stripe": 0}},
        {"limits": {"stripe": [1]}},
        {"limits": {"stripe": []}},
        {"limits": None},
    ],
    ids=str,
)
def test_a_row_by_hand_keeps_no_other_job_from_becoming_due(
    connection: Connection, flow: dict[str, Any]
) -> None:
    """promote() and fail() read the flow of many jobs in one go."""
    id = enqueue(connection, run_at="2100-01-01", flow={"fair_key": "a"})
    with pytest.raises((psycopg.errors.DataError, psycopg.errors.IntegrityError)):
        connection.execute("UPDATE pgqueue.job SET flow = %s", [Jsonb(flow)])
    connection.execute("UPDATE pgqueue.job SET run_at = now()")
    connection.execute("SELECT pgqueue.promote()")
    assert existing_job(connection, id)["state"] == "blocked"


def test_what_a_row_by_hand_may_say(connection: Connection) -> None:
    id = enqueue(connection, run_at="2100-01-01", flow={"fair_key": "a"})
    flow = {"limits": {"stripe": 1.5}, "expires_at": "2100-01-02", "retry_until": None}
    connection.execute("UPDATE pgqueue.job SET flow = %s, run_at = now()", [Jsonb(flow)])
    connection.execute("SELECT pgqueue.promote()")
    gate = row(connection, "SELECT * FROM pgqueue.gate WHERE job_id = %s", id)
    assert (gate["buckets"], gate["weights"]) == (["stripe"], [2])
