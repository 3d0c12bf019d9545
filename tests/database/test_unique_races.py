"""Unique keys under concurrency: who waits for whom, and what an old snapshot gets."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from tests.support import claim_one, complete, value, wait_until_blocked, without
from tests.support.unique import keys, live, put

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
Connect = Callable[..., Connection]
LEVELS = [
    IsolationLevel.READ_COMMITTED,
    IsolationLevel.REPEATABLE_READ,
    IsolationLevel.SERIALIZABLE,
]
OLD_SNAPSHOTS = LEVELS[1:]


@contextmanager
def waiting(other: Connection, connection: Connection, **unique: Any) -> Iterator[list[Any]]:
    """`other` enqueues, and waits for the open transaction of `connection`; the block ends that.
    Afterwards the list has what it got.
    """
    got: list[Any] = []
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(put, other, **unique)
        with psycopg.connect(connection.info.dsn, autocommit=True) as third:
            wait_until_blocked(third, other.info.backend_pid)
        yield got
        got.append(answer.result(timeout=20))


def stale(connection: Connection, **unique: Any) -> int:
    """Leave a key behind whose job is over."""
    id, _ = put(connection, **unique)
    complete(connection, claim_one(connection))
    return id


# Two at a time


@pytest.mark.parametrize("before", [None, stale])
def test_the_second_waits_for_the_commit_of_the_first(
    connection: Connection, other: Connection, before: Callable[..., int] | None
) -> None:
    if before is not None:
        before(connection)
    connection.execute("BEGIN")
    id, _ = put(connection)
    with waiting(other, connection) as got:
        connection.execute("COMMIT")
    assert got == [(id, False)]
    assert live(connection) == [id]


@pytest.mark.parametrize("before", [None, stale])
def test_or_takes_the_key_when_the_first_rolls_back(
    connection: Connection, other: Connection, before: Callable[..., int] | None
) -> None:
    if before is not None:
        before(connection)
    connection.execute("BEGIN")
    id, _ = put(connection)
    with waiting(other, connection) as got:
        connection.execute("ROLLBACK")
    ((second, created),) = got
    assert created
    assert (id, live(connection)) == (id, [second])


def test_a_stale_key_is_taken_under_a_lock_and_looked_at_again(
    connection: Connection, other: Connection, guard: Guard
) -> None:
    """Both find it stale; who comes second must not trust what he saw before he waited."""
    guarded = guard("take_key", "ELSIF locked THEN", "ELSIF true THEN")
    stale(connection)
    connection.execute("BEGIN")
    connection.execute("SELECT FROM pgqueue.unique_key FOR UPDATE")
    with waiting(other, connection) as got:
        first, created = put(connection)
        assert created
        connection.execute("COMMIT")
    ((second, created_too),) = got
    assert created_too is not guarded
    assert live(connection) == ([first] if guarded else sorted([first, second]))


def test_a_held_key_is_nobodys_wait(connection: Connection, other: Connection) -> None:
    """Not while somebody skips, and not while somebody replaces, who then waits for each other."""
    id, _ = put(connection)
    other.execute("SET lock_timeout = '100ms'")
    with connection.transaction():
        assert put(connection) == (id, False)
        assert put(connection, on_conflict="replace") == (id, False)
        assert put(other) == (id, False)
        with pytest.raises(LockNotAvailable):
            put(other, on_conflict="replace")


@pytest.mark.parametrize("while_", ["queued", "unfinished"])
def test_a_job_that_is_claimed_while_one_waits_to_replace_it(
    connection: Connection, other: Connection, guard: Guard, while_: str
) -> None:
    guarded = guard("take_key", "CONTINUE WHEN NOT FOUND;")
    first, _ = put(connection, while_=while_)
    connection.execute("BEGIN")
    claim_one(connection)
    new = {"args": {"n": 2}}
    with waiting(other, connection, while_=while_, on_conflict="replace", options=new) as got:
        connection.execute("COMMIT")
    ((id, created),) = got
    if guarded:
        assert created is (id != first) is (while_ == "queued")
    else:
        assert (id, created) == (first, False)
    args = value(connection, "SELECT args FROM pgqueue.job WHERE id = %s", first)
    assert (args == {}) is guarded


def test_who_waits_to_replace_a_job_has_its_key(
    connection: Connection, other: Connection, guard: Guard, connect: Connect
) -> None:
    """He keeps the job's lock when it was claimed, and then wants the key: two who lock in
    different orders would be a deadlock.
    """
    guarded = guard("take_key", "IF locked OR NOT replaces THEN", "IF true THEN")
    put(connection)
    connection.execute("BEGIN")
    claim_one(connection)
    with waiting(other, connection, on_conflict="replace"), connect() as third:
        locked = "SELECT FROM pgqueue.unique_key FOR UPDATE SKIP LOCKED"
        assert (third.execute(locked).rowcount == 0) is guarded
        assert not put(third)[1]
        connection.execute("COMMIT")


def test_a_job_that_is_being_replaced_is_not_claimed(
    connection: Connection, other: Connection
) -> None:
    """So what runs has seen what the last enqueuer wrote."""
    id, _ = put(connection)
    with connection.transaction():
        put(connection, on_conflict="replace", options={"args": {"n": 2}})
        with pytest.raises(ValueError, match="not enough values"):
            claim_one(other)
    assert claim_one(other)["args"] == '{"n": 2}'
    assert live(connection) == [id]


def test_two_keys_in_opposite_orders_are_a_deadlock_as_any_other(
    connection: Connection, other: Connection
) -> None:
    connection.execute("BEGIN")
    other.execute("BEGIN")
    put(connection, "a")
    put(other, "b")
    outcomes: list[Any] = []
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(put, other, "a")
        for outcome in (lambda: put(connection, "b"), lambda: answer.result(timeout=20)):
            try:
                outcomes.append(outcome())
            except DeadlockDetected as error:
                outcomes.append(error.sqlstate)
                connection.execute("ROLLBACK")
    assert outcomes.count("40P01") == 1


# Old snapshots


@pytest.fixture(params=OLD_SNAPSHOTS, ids=lambda level: level.name.lower())
def old(request: pytest.FixtureRequest, connect: Connect, connection: Connection) -> Connection:
    """A connection that keeps the snapshot of a transaction's first statement."""
    found = connect(autocommit=False)
    found.isolation_level = request.param
    return found


def begin(old: Connection) -> None:
    old.execute("SELECT count(*) FROM pgqueue.queue")


def test_an_old_snapshot_gets_40001_for_a_key_that_is_new(
    connection: Connection, old: Connection
) -> None:
    begin(old)
    id, _ = put(connection)
    with pytest.raises(SerializationFailure):
        put(old)
    old.rollback()
    assert put(old) == (id, False)
    old.commit()
    assert live(connection) == [id]


def test_an_old_snapshot_gets_40001_for_a_key_that_was_taken_over(
    connection: Connection, old: Connection
) -> None:
    stale(connection)
    begin(old)
    id, _ = put(connection)
    with pytest.raises(SerializationFailure):
        put(old)
    old.rollback()
    assert put(old) == (id, False)
    old.commit()
    assert live(connection) == [id]


def test_an_old_snapshot_gets_40001_for_a_job_that_was_claimed(
    connection: Connection, old: Connection
) -> None:
    id, _ = put(connection)
    begin(old)
    claim_one(connection)
    with pytest.raises(SerializationFailure):
        put(old, on_conflict="replace")
    old.rollback()
    assert put(old, on_conflict="replace") == (id, False)
    old.commit()


def test_an_old_snapshot_gets_40001_for_a_job_that_was_brought_back(
    connection: Connection, old: Connection
) -> None:
    """A retry takes the key anew, though the job is the same."""
    id, _ = put(connection)
    connection.execute("SELECT pgqueue.cancel(%s)", [id])
    begin(old)
    assert value(connection, "SELECT pgqueue.retry(%s)", id)
    with pytest.raises(SerializationFailure):
        put(old)
    old.rollback()
    assert put(old) == (id, False)
    old.commit()


def test_what_an_old_snapshot_shows_as_held_needs_no_lock(
    connection: Connection, old: Connection
) -> None:
    id, _ = put(connection)
    begin(old)
    complete(connection, claim_one(connection))
    assert put(old) == (id, False)
    old.commit()
    assert live(connection) == []
    assert put(old)[1]
    old.rollback()


# Pruning


def prune(connection: Connection) -> int:
    return int(value(connection, "SELECT pgqueue.prune()"))


def test_prune_removes_what_does_not_hold(connection: Connection) -> None:
    held = [put(connection, key, while_=key)[0] for key in ("queued", "unfinished")]
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL")
    for number in range(3):
        put(connection, f"timed {number}", task="u", for_="1 hour")
    over = "UPDATE pgqueue.unique_key SET until = clock_timestamp() WHERE key <> 'timed 0'"
    connection.execute(f"{over} AND until IS NOT NULL".encode())
    assert prune(connection) == 2
    assert [key for key, _ in keys(connection)] == ["queued", "unfinished", "timed 0"]
    assert live(connection) == held
    connection.execute("SELECT pgqueue.cancel(id) FROM pgqueue.job")
    assert prune(connection) == 2
    assert [key for key, _ in keys(connection)] == ["timed 0"]


def test_prune_skips_a_key_that_somebody_takes(
    connection: Connection, other: Connection, guard: Guard
) -> None:
    guarded = guard("prune_keys", "FOR UPDATE OF k SKIP LOCKED", "FOR UPDATE OF k")
    stale(connection)
    connection.execute("BEGIN")
    put(connection)
    other.execute("SET lock_timeout = '100ms'")
    if guarded:
        assert prune(other) == 0
    else:
        with pytest.raises(LockNotAvailable):
            prune(other)
    connection.execute("COMMIT")
    assert not put(other)[1]


def test_prune_looks_again_at_what_it_has_locked(
    connection: Connection, other: Connection, guard: Guard, connect: Connect
) -> None:
    """Somebody took the key between the snapshot in which it was stale and the lock on its row."""
    again = (
        "k.ctid = ANY (stale) AND NOT pgqueue.key_holds(k.held_while, k.until, j.id, j.started_at)"
    )
    guarded = guard("prune_keys", again, "k.ctid = ANY (stale)")
    paused = "k.until IS NULL AND (SELECT pg_advisory_xact_lock(42)) IS NOT NULL AND"
    without(connection, "prune_keys", "k.until IS NULL AND", paused)
    stale(connection)
    connection.execute("SELECT pg_advisory_lock(42)")
    with ThreadPoolExecutor(1) as thread:
        pruned = thread.submit(prune, other)
        with connect() as third:
            wait_until_blocked(third, other.info.backend_pid)
        id, created = put(connection)
        connection.execute("SELECT pg_advisory_unlock(42)")
        assert created
        assert pruned.result(timeout=20) == (0 if guarded else 1)
    assert (put(connection) == (id, False)) is guarded


def test_prune_reads_a_part_of_a_large_table(connection: Connection) -> None:
    """Pages at random, four of them on average, and none in one call of fifty."""
    connection.execute(
        "INSERT INTO pgqueue.unique_key (task, key, job_id, held_while) "
        "SELECT 't', 'key ' || n, -n, 'unfinished' FROM generate_series(1, 5000) AS n"
    )
    removed = [int(value(connection, "SELECT pgqueue.prune_keys(20)")) for _ in range(10)]
    assert all(part <= 200 for part in removed)
    assert sum(removed) > 0
    assert value(connection, "SELECT pgqueue.prune_keys(100000)") == 5000 - sum(removed)
