"""Limits by their name: set and looked at on every kind of connection; places outside of jobs."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgqueue import LimitFull, LimitHandle, LimitRule, PgQueue, Place, SchemaMissing
from pgqueue import limit as limiting
from tests.enqueue.kinds import KINDS
from tests.support.jobs import Connection, row, value
from tests.support.waiting import eventually

TAKEN = "SELECT count(*) FROM pgqueue.slot"
HOLDER = """
import sys, time
from pgqueue import PgQueue

app = PgQueue(sys.argv[1])
with app.limit("stripe", lease=3):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def one(connection: Connection) -> None:
    """One at once under the limit stripe."""
    connection.execute("SELECT pgqueue.set_limit('stripe', 1)")


# Set, look, remove


@pytest.mark.parametrize("kind", KINDS)
async def test_a_limit_lives_in_the_transaction(
    app: PgQueue, dsn: str, connection: Connection, kind: str
) -> None:
    limit = app.limit("tenant", key=42)
    rule = LimitRule(concurrency=3, rate=100, per=60, burst=7, when_full="cancel_newest")
    async with KINDS[kind](dsn) as caller:
        assert await caller.settle(limit.get(caller.connection)) is None
        await caller.settle(limit.set(rule, caller.connection))
        record = await caller.settle(limit.get(caller.connection))
        assert (record.name, record.concurrency, record.rate) == ("tenant:42", 3, 100)
        assert (record.per, record.burst, record.sliding) == (timedelta(minutes=1), 7, False)
        assert (record.when_full, record.declared) == ("cancel_newest", False)
        assert (record.running, record.waiting) == (0, 0)
        assert record.changed_at.tzinfo is not None
        await caller.rollback()
        assert limit.get() is None
        await caller.settle(limit.set(rule, caller.connection))
        await caller.commit()
        assert limit.get() is not None
        assert await caller.settle(limit.remove(caller.connection)) is True
        assert await caller.settle(limit.remove(caller.connection)) is False
        await caller.commit()
    assert limit.get() is None


def test_a_new_rule_replaces_all_of_the_old(app: PgQueue) -> None:
    limit = app.limit("stripe")
    limit.set(LimitRule(concurrency=3, rate=5, per=1))
    limit.set(LimitRule(rate=5, per=timedelta(seconds=1), sliding=True))
    record = limit.get()
    assert record is not None
    assert (record.concurrency, record.sliding) == (None, True)
    assert repr(limit) == "LimitHandle(stripe)"


# Places


def test_a_place_is_held_for_the_block(app: PgQueue, connection: Connection, one: None) -> None:
    limit = app.limit("stripe")
    with limit as place:
        assert isinstance(place, Place)
        assert (place.name, place.lost, repr(place)) == ("stripe", False, "Place(stripe)")
        record = limit.get()
        assert record is not None
        assert record.running == 1
        with pytest.raises(LimitFull), app.limit("stripe", timeout=0):
            pass
    assert value(connection, TAKEN) == 0
    with pytest.raises(KeyError), limit:
        raise KeyError
    assert value(connection, TAKEN) == 0


async def test_a_place_is_held_for_the_block_async(
    app: PgQueue, connection: Connection, one: None
) -> None:
    limit = app.limit("stripe", timeout=timedelta(0))
    async with limit as place:
        assert not place.lost
        with pytest.raises(LimitFull) as caught:
            async with limit:
                pass
        assert str(caught.value) == (
            'the limit "stripe" is full: no place within 0 s. '
            "Try again later, or raise it: pgqueue limits set stripe"
        )
    assert value(connection, TAKEN) == 0


def test_without_a_rule_there_are_places_for_all(app: PgQueue, connection: Connection) -> None:
    limit, queue = app.limit("stripe", timeout=0), app.limit("queue:default", timeout=0)
    with limit, limit, queue as place:
        assert value(connection, TAKEN) == 3
        assert value(connection, "SELECT pgqueue.stay(%s)", place.token)
    assert value(connection, TAKEN) == 0


async def test_many_share_a_handle_and_never_a_place(app: PgQueue, connection: Connection) -> None:
    connection.execute("SELECT pgqueue.set_limit('stripe', 3)")
    limit, inside, most, tokens = app.limit("stripe"), 0, 0, set()

    async def use() -> None:
        nonlocal inside, most
        async with limit as place:
            tokens.add(place.token)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.005)
            inside -= 1

    await asyncio.gather(*(use() for _ in range(12)))
    assert (most, len(tokens), value(connection, TAKEN)) == (3, 12, 0)


def test_threads_share_a_handle(app: PgQueue, connection: Connection) -> None:
    connection.execute("SELECT pgqueue.set_limit('stripe', 2)")
    limit, lock = app.limit("stripe"), threading.Lock()
    counts = {"inside": 0, "most": 0, "done": 0}

    def use() -> None:
        with limit:
            with lock:
                counts["inside"] += 1
                counts["most"] = max(counts["most"], counts["inside"])
            time.sleep(0.005)
            with lock:
                counts["inside"] -= 1
                counts["done"] += 1

    threads = [threading.Thread(target=use) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == {"inside": 0, "most": 2, "done": 10}
    assert value(connection, TAKEN) == 0


async def test_a_block_may_be_left_by_another_task(
    app: PgQueue, connection: Connection, one: None
) -> None:
    limit = app.limit("stripe")
    await asyncio.create_task(limit.__aenter__())  # type: ignore[arg-type]  # it is a coroutine
    await limit.__aexit__(None, None, None)
    assert value(connection, TAKEN) == 0


async def test_who_waits_gets_the_place_that_is_left(
    app: PgQueue, connection: Connection, one: None
) -> None:
    limit, order = app.limit("stripe"), []

    async def wait() -> None:
        async with limit:
            order.append("second")

    async with limit:
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.1)
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_a_cancelled_wait_takes_nothing(
    app: PgQueue, connection: Connection, one: None
) -> None:
    limit = app.limit("stripe")
    async with limit:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), limit:
                pass
    async with app.limit("stripe", timeout=0):
        assert value(connection, TAKEN) == 1


def test_newcomers_are_turned_away_at_once(app: PgQueue) -> None:
    limit = app.limit("stripe")
    limit.set(LimitRule(concurrency=1, when_full="cancel_newest"))
    with limit, pytest.raises(LimitFull, match=r"is full: it turns newcomers away\."), limit:
        pass


def test_what_a_rate_holds_back_waits_even_where_newcomers_are_turned_away(app: PgQueue) -> None:
    limit = app.limit("stripe", timeout=5)
    limit.set(LimitRule(concurrency=5, rate=2, per=0.5, when_full="cancel_newest"))
    for _ in range(3):
        with limit:
            pass


def test_weights_count_for_the_rate(app: PgQueue) -> None:
    app.limit("tenant").set(LimitRule(rate=4, per=3600))

    def tenant(key: int, weight: int) -> LimitHandle:
        return app.limit("tenant", key=key, weight=weight, timeout=0)

    with tenant(42, 3):
        pass
    with pytest.raises(LimitFull, match="tenant:42"), tenant(42, 2):
        pass
    with tenant(43, 2):
        pass


async def test_the_gate_is_free_before_we_come_round_to_a_commit(
    app: PgQueue, connection: Connection, one: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    before, before_async = limiting.run, limiting.run_async

    def look() -> None:
        gate = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7078 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        held.append(value(connection, gate))

    def run(*given: Any) -> Any:
        rows = before(*given)
        look()
        return rows

    async def run_async(*given: Any) -> Any:
        rows = await before_async(*given)
        look()
        return rows

    monkeypatch.setattr(limiting, "run", run)
    monkeypatch.setattr(limiting, "run_async", run_async)
    with app.limit("stripe"):
        pass
    async with app.limit("stripe"):
        pass
    assert held == [0, 0, 0, 0]
    with app.connection() as own:
        assert not own.autocommit
    async with app.connection_async() as own_async:
        assert not own_async.autocommit


# Keeping


def expiry(connection: Connection) -> float:
    query = "SELECT extract(epoch FROM expires_at) AS at FROM pgqueue.slot"
    return float(row(connection, query)["at"])


async def test_a_body_that_blocks_the_loop_keeps_its_place(
    app: PgQueue, connection: Connection, one: None
) -> None:
    async with app.limit("stripe", lease=3) as place:
        before = expiry(connection)
        eventually(lambda: expiry(connection) > before + 3)  # and nobody else gets the loop
        assert not place.lost
        with pytest.raises(LimitFull), app.limit("stripe", timeout=0):
            pass


def test_the_thread_ends_with_the_last_place(app: PgQueue, connection: Connection) -> None:
    def keepers() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name == "pgqueue-keeper"]

    with app.limit("a", lease=1), app.limit("b", lease=1):
        assert len(keepers()) == 1
        before = expiry_of(connection, "a")
        eventually(lambda: expiry_of(connection, "a") > before)
    eventually(lambda: not keepers())
    with app.limit("a", lease=1):
        assert len(keepers()) == 1


def expiry_of(connection: Connection, bucket: str) -> Any:
    return value(connection, "SELECT expires_at FROM pgqueue.slot WHERE bucket = %s", bucket)


def test_a_place_that_was_taken_away_is_lost(
    app: PgQueue, connection: Connection, one: None
) -> None:
    with app.limit("stripe", lease=1) as place:
        connection.execute("DELETE FROM pgqueue.slot")
        eventually(lambda: place.lost)
        with app.limit("stripe", timeout=0) as second:
            assert not second.lost


def test_a_place_is_lost_when_the_database_is_away_for_longer_than_the_lease(
    app: PgQueue, connection: Connection, one: None
) -> None:
    with app.limit("stripe", lease=1) as place:
        connection.execute("ALTER FUNCTION pgqueue.stay RENAME TO stay_away")
        assert not place.lost
        eventually(lambda: place.lost)
        connection.execute("UPDATE pgqueue.slot SET expires_at = now() + interval '1 hour'")
        connection.execute("ALTER FUNCTION pgqueue.stay_away RENAME TO stay")
        eventually(lambda: not place.lost)


def test_a_connection_that_breaks_is_made_anew(
    app: PgQueue, connection: Connection, one: None
) -> None:
    kill = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'pgqueue keeper' AND datname = current_database()
    """
    with app.limit("stripe", lease=1) as place:
        eventually(lambda: value(connection, kill) == 1)
        before = expiry(connection)
        eventually(lambda: expiry(connection) > before)
        assert not place.lost


def test_leaving_without_a_database_is_no_error(
    app: PgQueue, connection: Connection, one: None
) -> None:
    with app.limit("stripe") as place:
        connection.execute("ALTER FUNCTION pgqueue.leave RENAME TO leave_not")
        connection.execute(
            "CREATE FUNCTION pgqueue.leave(bigint) RETURNS boolean LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = '53100'; END $$"
        )
    assert not place.lost
    assert value(connection, TAKEN) == 1


def test_a_killed_process_frees_its_place_after_the_lease(
    app: PgQueue, dsn: str, connection: Connection, one: None
) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", HOLDER, dsn]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = expiry(connection)
        eventually(lambda: expiry(connection) > before + 3)
        with pytest.raises(LimitFull), app.limit("stripe", timeout=0):
            pass
        holder.send_signal(signal.SIGKILL)
    with app.limit("stripe", timeout=20) as place:
        assert not place.lost
        assert value(connection, TAKEN) == 1


def test_a_missing_schema_says_what_to_do(empty_dsn: str) -> None:
    app = PgQueue(empty_dsn)
    with pytest.raises(SchemaMissing, match="pgqueue migrate"), app.limit("stripe"):
        pass
    app.close()
