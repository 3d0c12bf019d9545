"""A job that comes back takes its unique key again; one at the gate is replaced there."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support import claim_one, complete, rows, state, value
from tests.support.unique import keys, live, put

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]


def retry(connection: Connection, id: int) -> bool:
    return bool(value(connection, "SELECT pgqueue.retry(%s)", id))


def cancelled(connection: Connection, **unique: Any) -> int:
    id, _ = put(connection, **unique)
    connection.execute("SELECT pgqueue.cancel(%s)", [id])
    return id


@pytest.mark.parametrize("while_", ["queued", "unfinished"])
def test_a_retried_job_has_its_key_again(connection: Connection, guard: Guard, while_: str) -> None:
    guarded = guard("retry", "NOT pgqueue.retake_key(retry.id)", "false")
    id = cancelled(connection, while_=while_)
    connection.execute("DELETE FROM pgqueue.unique_key")
    assert retry(connection, id)
    assert (put(connection, while_=while_) == (id, False)) is guarded


@pytest.mark.parametrize("hold", [{"while_": "unfinished"}, {"for_": "1 hour"}])
def test_a_job_whose_key_another_one_has_stays_as_it_is(
    connection: Connection, guard: Guard, hold: dict[str, str]
) -> None:
    guarded = guard("retry", "NOT pgqueue.retake_key(retry.id)", "false")
    first = cancelled(connection, **hold)
    connection.execute(
        "UPDATE pgqueue.unique_key SET until = clock_timestamp() WHERE until > now()"
    )
    second, created = put(connection, **hold, on_conflict="raise")
    assert created
    before = rows(connection, "SELECT * FROM pgqueue.jobs ORDER BY id")
    assert retry(connection, first) is not guarded
    assert (rows(connection, "SELECT * FROM pgqueue.jobs ORDER BY id") == before) is guarded
    assert keys(connection) == [("k", second)]


def test_of_two_dead_jobs_with_one_key_the_first_comes_back(connection: Connection) -> None:
    ids = [cancelled(connection) for _ in range(2)]
    query = "SELECT pgqueue.retry(id) FROM (SELECT id FROM pgqueue.dead_jobs ORDER BY id) AS dead"
    assert [found["retry"] for found in rows(connection, query)] == [True, False]
    assert live(connection) == ids[:1]


def test_its_time_begins_anew(connection: Connection, guard: Guard) -> None:
    """Its row is written in any case, so that who has an old snapshot gets 40001."""
    guarded = guard("take_key", " AND holder.job_id <> taker")
    id = cancelled(connection, while_="unfinished", for_="1 hour")
    before = value(connection, "SELECT until FROM pgqueue.unique_key")
    assert retry(connection, id)
    assert (value(connection, "SELECT until FROM pgqueue.unique_key") > before) is guarded


def test_a_retry_that_finds_no_dead_job_takes_no_key(connection: Connection) -> None:
    first, _ = put(connection)
    complete(connection, claim_one(connection))
    assert not retry(connection, first)
    assert put(connection)[1]


def test_a_waiting_job_is_retried_now_without_its_key(connection: Connection) -> None:
    """It is started already, so it is not the queued one, and may be beside it."""
    first, _ = put(connection, while_="queued")
    claimed = claim_one(connection)
    query = "SELECT pgqueue.fail(%s, %s, '1 hour', 'E', 'm')"
    connection.execute(query, [claimed["id"], claimed["lease"]])
    second, _ = put(connection, while_="queued")
    assert retry(connection, first)
    assert (state(connection, first), state(connection, second)) == ("queued", "queued")
    assert keys(connection) == [("k", second)]


# At the gate


def gate(connection: Connection, id: int) -> dict[str, Any] | None:
    found = rows(connection, "SELECT * FROM pgqueue.gate WHERE job_id = %s", id)
    return found[0] if found else None


def test_a_job_at_the_gate_stays_there_with_the_same_options(connection: Connection) -> None:
    flow = {"limits": ["stripe"], "expires_in": "1 hour"}
    id, _ = put(connection, flow=flow)
    before = gate(connection, id)
    connection.execute("UPDATE pgqueue.gate SET state = 'closed', blocker = 'stripe'")
    options: dict[str, Any] = {"priority": 5, "args": {"n": 2}}
    assert put(connection, on_conflict="replace", flow=flow, options=options) == (id, False)
    found = gate(connection, id)
    assert before is not None
    assert found is not None
    assert found.pop("expires_at") > before.pop("expires_at")
    assert found == before | {"priority": 5}
    assert (state(connection, id), live(connection)) == ("blocked", [id])


@pytest.mark.parametrize(
    ("flow", "options"),
    [({"order_key": "b", "limits": {"bank": 2}}, {}), ({"order_key": "a"}, {"queue": "mail"})],
)
def test_with_other_options_it_lines_up_anew(
    connection: Connection, flow: dict[str, Any], options: dict[str, Any]
) -> None:
    """It is not blocked meanwhile, so that nobody picks it by what its options were."""
    id, _ = put(connection, flow={"order_key": "a", "limits": ["stripe"]})
    put(connection, on_conflict="replace", flow=flow, options=options)
    assert (gate(connection, id), state(connection, id)) == (None, "scheduled")
    connection.execute("SELECT pgqueue.promote()")
    found = gate(connection, id)
    assert found is not None
    assert (found["state"], found["order_key"]) == ("open", flow["order_key"])
    assert found["buckets"] == list(flow.get("limits", ()))
    assert found["queue"] == options.get("queue", "default")


@pytest.mark.parametrize("flow", [{}, {"order_key": "b"}])
def test_who_waited_behind_it_is_looked_at_again(
    connection: Connection, guard: Guard, flow: dict[str, str]
) -> None:
    guarded = guard("replace_job", "PERFORM pgqueue.open_next(before.queue, turn);")
    put(connection, flow={"order_key": "a"})
    behind = [put(connection, key, flow={"order_key": "a"})[0] for key in ("x", "y")]
    close = "UPDATE pgqueue.gate SET state = 'closed', blocker = 'order' WHERE job_id = ANY (%s)"
    connection.execute(close, [behind])
    put(connection, on_conflict="replace", flow=flow)
    states = [found["state"] if (found := gate(connection, id)) else None for id in behind]
    assert states == ["open" if guarded else "closed", "closed"]


def test_a_job_without_flow_options_leaves_the_gate_at_once(connection: Connection) -> None:
    id, _ = put(connection, flow={"order_key": "a"})
    put(connection, on_conflict="replace")
    assert (gate(connection, id), state(connection, id)) == (None, "queued")
    put(connection, on_conflict="replace", flow={"order_key": "a"})
    assert (gate(connection, id) is not None, state(connection, id)) == (True, "blocked")


def test_a_job_that_is_put_off_leaves_the_gate(connection: Connection) -> None:
    id, _ = put(connection, flow={"order_key": "a"})
    late = {"run_at": "2100-01-01"}
    put(connection, on_conflict="replace", flow={"order_key": "a"}, options=late)
    assert (gate(connection, id), state(connection, id)) == (None, "scheduled")
    connection.execute("UPDATE pgqueue.job SET run_at = now()")
    connection.execute("SELECT pgqueue.promote()")
    assert gate(connection, id) is not None
    assert state(connection, id) == "blocked"
