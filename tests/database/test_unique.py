"""Unique keys in SQL: when one holds, what becomes of a second job, and what is refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import claim_one, complete, enqueue, expire, register, rescue, row, state, value
from tests.support.unique import keys, live, put

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def ended_by(connection: Connection, how: str) -> None:
    """Run the job that is first in line, and let it end like this."""
    claimed = claim_one(connection)
    if how == "completed":
        complete(connection, claimed)
    else:
        delay = timedelta(0) if how == "retried" else None
        query = "SELECT pgqueue.fail(%s, %s, %s, 'E', 'm')"
        connection.execute(query, [claimed["id"], claimed["lease"], delay])


# How long a key holds


@pytest.mark.parametrize("while_", ["queued", "unfinished", None])
def test_a_second_job_is_not_made_while_the_first_waits(
    connection: Connection, while_: str | None
) -> None:
    id, created = put(connection, while_=while_)
    assert created
    assert put(connection, while_=while_) == (id, False)
    assert put(connection, "other", while_=while_)[1]
    assert put(connection, task="other", while_=while_)[1]
    assert live(connection) == [id, id + 2]


@pytest.mark.parametrize(("while_", "held"), [("queued", False), ("unfinished", True)])
def test_while_it_runs_and_waits_for_its_retry(
    connection: Connection, guard: Guard, while_: str, held: bool
) -> None:
    holds = "held_while = 'unfinished' OR held_while = 'queued' AND started_at IS NULL"
    guarded = guard("key_holds", holds, "held_while = 'queued' AND started_at IS NULL")
    id, _ = put(connection, while_=while_)
    ended_by(connection, "retried")
    assert (put(connection, while_=while_) == (id, False)) is (held and guarded)


def test_a_job_that_was_put_back_does_not_take_a_queued_key_again(connection: Connection) -> None:
    """Its successor has the key; two would be queued otherwise."""
    first, _ = put(connection, while_="queued")
    claimed = claim_one(connection)
    second, created = put(connection, while_="queued")
    assert created
    query = "SELECT pgqueue.release(ARRAY[%s::bigint], ARRAY[%s::bigint])"
    connection.execute(query, [claimed["id"], claimed["lease"]])
    assert state(connection, first) == "queued"
    assert put(connection, while_="queued") == (second, False)


@pytest.mark.parametrize("how", ["completed", "died", "cancelled", "rescued and dead"])
@pytest.mark.parametrize("while_", ["queued", "unfinished"])
def test_the_end_of_a_job_frees_its_key(connection: Connection, while_: str, how: str) -> None:
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL")
    first, _ = put(connection, while_=while_, options={"max_attempts": 1})
    if how == "cancelled":
        connection.execute("SELECT pgqueue.cancel(%s)", [first])
    elif how == "rescued and dead":
        worker = register(connection)
        claim_one(connection, worker)
        expire(connection, worker)
        rescue(connection)
    else:
        ended_by(connection, how)
    second, created = put(connection, while_=while_)
    assert created
    assert keys(connection) == [("k", second)]


def test_for_a_time_it_holds_whatever_became_of_the_job(
    connection: Connection, guard: Guard
) -> None:
    guarded = guard("key_holds", "until > clock_timestamp()", "false")
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL")
    first, _ = put(connection, for_="1 hour")
    ended_by(connection, "completed")
    assert (put(connection, for_="1 hour") == (first, False)) is guarded
    connection.execute("UPDATE pgqueue.unique_key SET until = clock_timestamp()")
    assert put(connection, for_="1 hour")[1]
    assert put(connection, for_="1 hour")[1] is not guarded


def test_for_a_time_or_while_the_job_lives_whichever_is_longer(connection: Connection) -> None:
    first, _ = put(connection, while_="unfinished", for_="1 hour")
    connection.execute("UPDATE pgqueue.unique_key SET until = clock_timestamp()")
    assert put(connection, while_="unfinished", for_="1 hour") == (first, False)
    ended_by(connection, "completed")
    second, created = put(connection, while_="unfinished", for_="1 hour")
    assert created
    ended_by(connection, "completed")
    assert put(connection, while_="unfinished", for_="1 hour") == (second, False)


def test_a_time_begins_when_the_job_is_enqueued_and_not_with_its_transaction(
    connection: Connection,
) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_sleep(0.01)")
        put(connection, for_="1 hour")
        query = "SELECT until > now() + interval '1 hour 10 milliseconds' FROM pgqueue.unique_key"
        assert value(connection, query)


# Its transaction


def test_a_rolled_back_holder_frees_the_key(connection: Connection) -> None:
    first, _ = put(connection)
    ended_by(connection, "completed")
    with connection.transaction(force_rollback=True):
        assert put(connection)[1]
        assert not put(connection)[1]
    assert keys(connection) == [("k", first)]
    assert put(connection)[1]


def test_a_rolled_back_savepoint_frees_the_key(connection: Connection) -> None:
    with connection.transaction():
        with connection.transaction(force_rollback=True):
            put(connection)
        kept, created = put(connection)
        assert created
        assert put(connection) == (kept, False)
    assert live(connection) == [kept]


# On conflict


def test_replace_gives_the_waiting_job_everything_but_another_id(connection: Connection) -> None:
    options: dict[str, Any] = {
        "args": {"n": 2},
        "queue": "mail",
        "priority": 3,
        "run_at": LATER,
        "max_attempts": 7,
        "timeout": timedelta(seconds=9),
        "tags": ["b"],
        "meta": {"m": 2},
    }
    id, _ = put(connection, options={"args": {"n": 1}, "tags": ["a"]})
    assert put(connection, on_conflict="replace", options=options) == (id, False)
    found = row(connection, "SELECT * FROM pgqueue.jobs")
    assert {name: found[name] for name in options} == options
    assert (found["id"], found["state"]) == (id, "scheduled")
    assert found["flow"]["unique"]["on_conflict"] == "replace"
    assert put(connection, on_conflict="replace") == (id, False)
    found = row(connection, "SELECT * FROM pgqueue.jobs")
    assert (found["state"], found["args"], found["tags"]) == ("queued", {}, None)


def test_a_replaced_job_keeps_its_place_in_line(connection: Connection, guard: Guard) -> None:
    """Or a busy key would never get its turn."""
    guarded = guard("replace_job", "THEN j.ready_xid", "THEN pg_current_xact_id()::text::bigint")
    id, _ = put(connection)
    enqueue(connection, "other")
    put(connection, on_conflict="replace", options={"args": {"n": 2}})
    claimed = claim_one(connection)
    assert (claimed["id"] == id) is guarded


@pytest.mark.parametrize("moved", [{"queue": "mail"}, {"priority": 1}])
def test_in_another_lane_it_goes_to_the_end_of_the_line(
    connection: Connection, guard: Guard, moved: dict[str, Any]
) -> None:
    """A claimer of that lane may have passed its old place already."""
    lane = "j.queue = replace_job.queue AND j.priority = replace_job.priority AND "
    guarded = guard("replace_job", lane)
    put(connection)
    before = value(connection, "SELECT ready_xid FROM pgqueue.job")
    put(connection, on_conflict="replace", options=moved)
    assert (value(connection, "SELECT ready_xid FROM pgqueue.job") > before) is guarded


def test_a_claimed_job_is_not_replaced(connection: Connection, guard: Guard) -> None:
    guarded = guard("take_key", "AND j.started_at IS NULL")
    first, _ = put(connection, options={"args": {"n": 1}})
    claim_one(connection)
    options: dict[str, Any] = {"args": {"n": 2}}
    assert put(connection, on_conflict="replace", options=options) == (first, False)
    args = value(connection, "SELECT args FROM pgqueue.job WHERE id = %s", first)
    assert (args == {"n": 1}) is guarded


def test_raise_says_which_job_it_is(connection: Connection) -> None:
    id, created = put(connection, on_conflict="raise")
    assert created
    with pytest.raises(psycopg.Error, match=f"job {id} of task t has this unique key") as caught:
        put(connection, on_conflict="raise")
    assert caught.value.sqlstate == "PQ002"
    assert "on_conflict" in str(caught.value.diag.message_hint)
    assert live(connection) == [id]


def test_plain_enqueue_gives_the_id_of_the_job_that_is_there(connection: Connection) -> None:
    flow = {"unique": {"key": "k"}}
    id = enqueue(connection, flow=flow)
    assert enqueue(connection, flow=flow) == id
    jobs = [{"task": "t", "flow": flow}, {"task": "t"}, {"task": "t", "flow": flow}]
    query = "SELECT job_id, created FROM pgqueue.enqueue_many_with(%s)"
    found = connection.execute(query, [Jsonb(jobs)]).fetchall()
    assert [created for _, created in found] == [False, True, False]
    assert [found[0][0], found[2][0]] == [id, id]


# Debounce

DEBOUNCE = {"while_": "queued", "on_conflict": "replace", "delay": "1 hour"}
WAITS = "SELECT run_at - %s FROM pgqueue.job"


def test_each_enqueueing_puts_it_off_and_the_last_one_wins(connection: Connection) -> None:
    id, _ = put(connection, **DEBOUNCE, options={"args": {"n": 1}})
    first = value(connection, "SELECT run_at FROM pgqueue.job")
    assert value(connection, "SELECT run_at > now() + interval '59 minutes' FROM pgqueue.job")
    assert put(connection, **DEBOUNCE, options={"args": {"n": 2}}) == (id, False)
    found = row(connection, "SELECT * FROM pgqueue.jobs")
    assert (found["state"], found["args"]) == ("scheduled", {"n": 2})
    assert found["run_at"] > first


def test_it_does_not_wait_longer_than_the_longest(connection: Connection, guard: Guard) -> None:
    longest = ", holder.first_at + (wanted ->> 'longest')::interval"
    guarded = guard("take_key", longest)
    put(connection, **DEBOUNCE, longest="90 minutes")
    connection.execute("UPDATE pgqueue.unique_key SET first_at = first_at - interval '1 hour'")
    put(connection, **DEBOUNCE, longest="90 minutes")
    query = "SELECT run_at = first_at + interval '90 minutes' FROM pgqueue.job, pgqueue.unique_key"
    assert value(connection, query) is guarded
    connection.execute("UPDATE pgqueue.unique_key SET first_at = first_at - interval '1 hour'")
    put(connection, **DEBOUNCE, longest="90 minutes", options={"args": {"n": 3}})
    found = row(connection, "SELECT state, args FROM pgqueue.jobs")
    assert found == {"state": "queued" if guarded else "scheduled", "args": {"n": 3}}


def test_what_comes_after_the_claim_is_a_new_job_with_a_wait_of_its_own(
    connection: Connection,
) -> None:
    put(connection, **DEBOUNCE, longest="90 minutes")
    connection.execute("UPDATE pgqueue.unique_key SET first_at = first_at - interval '2 hours'")
    put(connection, **DEBOUNCE, longest="90 minutes")
    claim_one(connection)
    id, created = put(connection, **DEBOUNCE, longest="90 minutes")
    assert (created, state(connection, id)) == (True, "scheduled")


# What is refused

REFUSED: list[tuple[Any, str]] = [
    ("k", "a JSON object with a key"),
    ({}, "a JSON object with a key"),
    ({"key": 7}, "a JSON object with a key"),
    ({"key": ""}, "1 to 200 bytes"),
    ({"key": "ä" * 101}, "1 to 200 bytes"),
    ({"key": "k", "when": "queued"}, 'unique has no field "when"'),
    ({"key": "k", "while": "running"}, 'while is "queued" or "unfinished"'),
    ({"key": "k", "on_conflict": "merge"}, 'on_conflict is "skip", "replace" or "raise"'),
    ({"key": "k", "for": "0 s"}, "for is longer than zero"),
    ({"key": "k", "for": "2000 years"}, "at most 1000 years"),
    ({"key": "k", "while": "queued", "delay": "1 s"}, "delay goes with while queued"),
    ({"key": "k", "on_conflict": "replace", "delay": "1 s"}, "delay goes with while queued"),
    ({"key": "k", "while": "queued", "on_conflict": "replace", "longest": "1 s"}, "delay goes"),
    (
        {"key": "k", "while": "queued", "on_conflict": "replace", "delay": "2 s", "longest": "1 s"},
        "longest is not less",
    ),
]


@pytest.mark.parametrize(("unique", "message"), REFUSED)
def test_refused(connection: Connection, unique: Any, message: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=message) as caught:
        enqueue(connection, flow={"unique": unique})
    assert caught.value.diag.message_hint
    assert live(connection) == []
