"""order_key: jobs of one key run one at a time, in the order of their ids, whatever happens."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.support import (
    claim_gated,
    enqueue,
    expire,
    register,
    rescue,
    state,
    value,
    wait_until_blocked,
)

Connection = psycopg.Connection[Any]
END = {
    "succeeds": "SELECT pgqueue.complete('default', ARRAY[%s::bigint], ARRAY[%s::bigint])",
    "dies": "SELECT pgqueue.fail(%s, %s, NULL, 'E', 'm')",
    "is cancelled": "SELECT pgqueue.cancel_running(%s, %s)",
}
BACK = {
    "fails": "SELECT pgqueue.fail(%s, %s, '1 hour', 'E', 'm')",
    "is snoozed": "SELECT pgqueue.snooze(%s, %s, '1 hour')",
}
DUE = "UPDATE pgqueue.job SET run_at = now() WHERE id = %s"


@pytest.fixture
def worker(connection: Connection) -> int:
    return register(connection)


@pytest.fixture
def next_ids(connection: Connection, worker: int) -> Callable[[], list[int]]:
    """Claims all that may run now; their ids."""
    return lambda: [claimed["id"] for claimed in claim_gated(connection, worker)]


def ordered(connection: Connection, key: str = "k", **more: Any) -> int:
    return enqueue(connection, flow={"order_key": key, **more})


def end(connection: Connection, how: str, id: int) -> None:
    lease = value(connection, "SELECT lease FROM pgqueue.job WHERE id = %s", id)
    assert value(connection, how, id, lease) not in (None, 0)


@pytest.mark.parametrize("how", END)
def test_the_next_runs_when_the_first_has_ended(
    connection: Connection, next_ids: Callable[[], list[int]], how: str
) -> None:
    first, second, third = (ordered(connection) for _ in range(3))
    assert next_ids() == [first]
    assert state(connection, second) == "blocked"
    assert next_ids() == []
    end(connection, END[how], first)
    assert next_ids() == [second]
    end(connection, END[how], second)
    assert next_ids() == [third]


@pytest.mark.parametrize("how", BACK)
def test_the_others_wait_through_a_retry(
    connection: Connection, next_ids: Callable[[], list[int]], how: str
) -> None:
    first, second = ordered(connection), ordered(connection)
    assert next_ids() == [first]
    end(connection, BACK[how], first)
    assert next_ids() == []
    connection.execute(DUE, [first])
    connection.execute("SELECT pgqueue.promote()")
    assert next_ids() == [first]
    end(connection, END["succeeds"], first)
    assert next_ids() == [second]


def test_the_others_go_ahead_where_the_key_says_so(
    connection: Connection, next_ids: Callable[[], list[int]]
) -> None:
    first, second, third = (ordered(connection, on_failure="skip") for _ in range(3))
    assert next_ids() == [first]
    end(connection, BACK["fails"], first)
    assert next_ids() == [second]
    connection.execute(DUE, [first])
    connection.execute("SELECT pgqueue.promote()")
    assert next_ids() == []  # one at a time all the same
    end(connection, END["succeeds"], second)
    assert next_ids() == [first]
    end(connection, END["succeeds"], first)
    assert next_ids() == [third]


@pytest.mark.parametrize("asleep", [True, False], ids=["away", "in line"])
def test_a_cancelled_first_frees_the_next(
    connection: Connection, next_ids: Callable[[], list[int]], asleep: bool
) -> None:
    first, second = ordered(connection), ordered(connection)
    if asleep:
        assert next_ids() == [first]
        end(connection, BACK["fails"], first)
        assert next_ids() == []
    assert value(connection, "SELECT pgqueue.cancel(%s)", first) == "cancelled"
    assert next_ids() == [second]


@pytest.mark.parametrize("how", ["released", "rescued"])
def test_who_comes_back_is_still_the_first(
    connection: Connection, worker: int, next_ids: Callable[[], list[int]], how: str
) -> None:
    first, second = ordered(connection), ordered(connection)
    assert next_ids() == [first]
    if how == "released":
        end(connection, "SELECT pgqueue.release(ARRAY[%s::bigint], ARRAY[%s::bigint])", first)
    else:
        expire(connection, worker)
        rescue(connection)
        worker = register(connection)
    assert state(connection, first) == "blocked"
    assert [claimed["id"] for claimed in claim_gated(connection, worker)] == [first]
    end(connection, END["succeeds"], first)
    assert [claimed["id"] for claimed in claim_gated(connection, worker)] == [second]


def test_a_retried_dead_job_is_the_first_again(
    connection: Connection, next_ids: Callable[[], list[int]]
) -> None:
    first, second = ordered(connection), ordered(connection)
    assert next_ids() == [first]
    end(connection, END["dies"], first)
    assert value(connection, "SELECT pgqueue.retry(%s)", first) is True
    assert next_ids() == [first]
    end(connection, END["succeeds"], first)
    assert next_ids() == [second]


def test_a_late_commit_waits_for_who_runs(
    connection: Connection, other: Connection, next_ids: Callable[[], list[int]]
) -> None:
    other.execute("BEGIN")
    early = ordered(other)
    late = ordered(connection)
    assert next_ids() == [late]
    other.execute("COMMIT")
    assert next_ids() == []
    end(connection, END["succeeds"], late)
    assert next_ids() == [early]


def test_keys_and_queues_do_not_wait_for_each_other(
    connection: Connection, worker: int, next_ids: Callable[[], list[int]]
) -> None:
    first, another = ordered(connection, "a"), ordered(connection, "b")
    elsewhere = enqueue(connection, queue="other", flow={"order_key": "a"})
    assert next_ids() == [first, another]
    assert [found["id"] for found in claim_gated(connection, worker, queue="other")] == [elsewhere]


def test_priority_does_not_overtake_within_a_key(
    connection: Connection, next_ids: Callable[[], list[int]]
) -> None:
    first = ordered(connection)
    enqueue(connection, priority=10, flow={"order_key": "k"})
    assert next_ids() == [first]


def test_a_scheduled_job_does_not_hold_up_its_key(
    connection: Connection, next_ids: Callable[[], list[int]]
) -> None:
    enqueue(connection, run_at="2100-01-01", flow={"order_key": "k"})
    now = ordered(connection)
    assert next_ids() == [now]


@pytest.mark.parametrize("asleep", [True, False], ids=["away", "in line"])
def test_rows_deleted_by_hand_are_mended(
    connection: Connection, next_ids: Callable[[], list[int]], asleep: bool
) -> None:
    first, second = ordered(connection), ordered(connection)
    assert next_ids() == [first]
    if asleep:
        end(connection, BACK["fails"], first)
    assert next_ids() == []
    connection.execute("DELETE FROM pgqueue.job WHERE id = %s", [first])
    if asleep:
        assert value(connection, "SELECT pgqueue.mend_gate()") == 2
    assert next_ids() == [second]
    connection.execute("DELETE FROM pgqueue.gate")
    end(connection, BACK["fails"], second)
    connection.execute(DUE, [second])
    connection.execute("SELECT pgqueue.promote()")
    connection.execute("DELETE FROM pgqueue.gate")
    assert next_ids() == []
    assert value(connection, "SELECT pgqueue.mend_gate()") == 1
    assert next_ids() == [second]


def test_a_first_whose_row_is_locked_holds_up_its_key_only(
    connection: Connection, other: Connection, next_ids: Callable[[], list[int]]
) -> None:
    first, second = ordered(connection), ordered(connection)
    another = ordered(connection, "b")
    other.execute("BEGIN")
    other.execute("SELECT pgqueue.cancel(%s)", [first])
    assert next_ids() == [another]
    other.execute("ROLLBACK")
    assert next_ids() == [first]
    other.execute("BEGIN")
    other.execute("SELECT pgqueue.cancel(%s)", [second])
    end(connection, END["succeeds"], first)
    assert next_ids() == []
    other.execute("ROLLBACK")
    connection.execute("SELECT pgqueue.mend_gate()")
    assert next_ids() == [second]


# What makes it hold: each guard taken out lets two of a key run at once


def test_who_runs_is_asked(
    connection: Connection, other: Connection, guard: Callable[..., bool], worker: int
) -> None:
    guarded = guard("held_back", "runs.state = 'held'", "false")
    other.execute("BEGIN")
    ordered(other)
    ordered(connection)
    assert len(claim_gated(connection, worker)) == 1
    other.execute("COMMIT")
    assert len(claim_gated(connection, worker)) == (0 if guarded else 1)


def test_who_came_before_is_asked(
    connection: Connection, guard: Callable[..., bool], worker: int
) -> None:
    guarded = guard("held_back", "before.job_id < held_back.job_id", "false")
    first, second = ordered(connection), enqueue(connection, priority=1, flow={"order_key": "k"})
    (claimed,) = claim_gated(connection, worker)
    assert claimed["id"] == (first if guarded else second)


def test_who_becomes_visible_between_two_picks_waits(
    connection: Connection, other: Connection, guard: Callable[..., bool], worker: int
) -> None:
    """A claim picks the late one; before it has ended, the early one is committed."""
    held = (
        "UPDATE pgqueue.gate g SET state = 'held', lease = pick.lease WHERE g.job_id = next.job_id;"
    )
    guarded = guard("pick", held)
    other.execute("BEGIN")
    early, late = ordered(other), ordered(connection)
    connection.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_notify('picked', ''); PERFORM pg_advisory_lock(1); RETURN NEW; END $$"
    )
    limits = {"order_key": "other", "limits": {"slow": 1}}
    slow = enqueue(connection, flow=limits)
    connection.execute(
        "CREATE TRIGGER wait BEFORE INSERT ON pgqueue.slot FOR EACH ROW EXECUTE FUNCTION wait()"
    )
    other.execute("SELECT pg_advisory_lock(1)")
    with ThreadPoolExecutor(1) as pool:
        claim = pool.submit(claim_gated, connection, worker)
        wait_until_blocked(other, connection.info.backend_pid)
        other.execute("COMMIT")
        other.execute("SELECT pg_advisory_unlock(1)")
        claimed = [found["id"] for found in claim.result()]
    assert sorted(claimed) == ([late, slow] if guarded else [early, late, slow])
