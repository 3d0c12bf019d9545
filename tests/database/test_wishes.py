"""What somebody wants of a worker: written beside it, so that nobody holds up its heartbeats."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.errors import InvalidParameterValue

from pgqueue.database.statement import Statement
from tests.support import expire, register, rows, value

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
ASK = "SELECT pgqueue.ask_worker(%s, %s)"
WISHES = "SELECT worker_id, wish FROM pgqueue.wish ORDER BY worker_id"
STATE = "SELECT state, wish FROM pgqueue.workers"


def show(connection: Connection, worker: int, draining: str | None) -> None:
    """What the worker's heart writes."""
    parameters = {"worker": worker, "draining": draining}
    connection.execute(Statement("show_draining").text.encode(), parameters)


def ask(connection: Connection, worker: int, wish: str | None) -> bool:
    return bool(value(connection, ASK, worker, wish))


def wishes(connection: Connection) -> list[tuple[int, str]]:
    return [(each["worker_id"], each["wish"]) for each in rows(connection, WISHES)]


def test_a_wish_stands_until_it_is_taken_back(connection: Connection) -> None:
    worker = register(connection)
    assert value(connection, "SELECT pgqueue.ask_worker(%s, 'quiet', 'ann')", worker)
    assert rows(connection, STATE) == [{"state": "running", "wish": "quiet"}]
    show(connection, worker, "quiet")
    assert rows(connection, STATE) == [{"state": "quiet", "wish": "quiet"}]
    assert value(connection, "SELECT wished_by FROM pgqueue.workers") == "ann"
    assert ask(connection, worker, "resume")
    assert rows(connection, STATE) == [{"state": "quiet", "wish": None}]
    show(connection, worker, None)
    assert rows(connection, STATE) == [{"state": "running", "wish": None}]
    assert ask(connection, worker, "resume")
    assert wishes(connection) == []


def test_the_name_of_the_role_stands_for_whoever_asks(connection: Connection) -> None:
    ask(connection, register(connection), "stop")
    assert value(connection, "SELECT wished_by = session_user FROM pgqueue.wish")


def test_nothing_comes_after_stop(connection: Connection, guard: Guard) -> None:
    """The worker may have begun to end, and would be quiet for ever if it took that back."""
    guarded = guard("ask_worker", "\n    WHERE x.wish <> 'stop'")
    worker = register(connection)
    assert ask(connection, worker, "quiet")
    assert ask(connection, worker, "stop")
    assert ask(connection, worker, "stop")
    assert ask(connection, worker, "quiet") is not guarded
    assert wishes(connection) == [(worker, "stop" if guarded else "quiet")]


def test_stop_is_not_taken_back(connection: Connection, guard: Guard) -> None:
    guarded = guard("ask_worker", " AND x.wish <> 'stop'")
    worker = register(connection)
    ask(connection, worker, "stop")
    assert ask(connection, worker, "resume") is not guarded
    assert wishes(connection) == ([(worker, "stop")] if guarded else [])


def test_a_lost_worker_is_asked_for_nothing(connection: Connection, guard: Guard) -> None:
    guarded = guard("ask_worker", " AND w.seen_at + w.lease_for >= now()")
    worker = register(connection)
    expire(connection, worker)
    assert ask(connection, worker, "quiet") is not guarded
    assert not ask(connection, worker + 1, "quiet")


def test_who_shuts_down_is_asked_for_nothing_else(connection: Connection, guard: Guard) -> None:
    guarded = guard(
        "ask_worker", "AND (ask_worker.wish = 'stop' OR w.draining_at IS NULL OR w.quiet)"
    )
    worker = register(connection)
    ask(connection, worker, "quiet")
    show(connection, worker, "draining")
    assert rows(connection, STATE) == [{"state": "draining", "wish": "quiet"}]
    assert ask(connection, worker, "quiet") is not guarded
    assert ask(connection, worker, "resume") is not guarded
    assert ask(connection, worker, "stop")


def test_a_worker_drains_since_the_first_time_it_said_so(connection: Connection) -> None:
    worker = register(connection)
    show(connection, worker, "quiet")
    since = value(connection, "SELECT draining_at FROM pgqueue.worker")
    show(connection, worker, "draining")
    assert value(connection, "SELECT draining_at FROM pgqueue.worker") == since


def test_wishes_of_workers_that_are_gone_go(connection: Connection) -> None:
    gone, there = register(connection), register(connection)
    ask(connection, gone, "stop")
    value(connection, "SELECT pgqueue.unregister(%s)", gone)
    ask(connection, there, "quiet")
    assert wishes(connection) == [(there, "quiet")]


@pytest.mark.parametrize(("wish", "shown"), [("sleep", '"sleep"'), (None, "NULL"), ("", '""')])
def test_other_wishes_are_refused(connection: Connection, wish: str | None, shown: str) -> None:
    with pytest.raises(InvalidParameterValue, match=f"no worker knows the wish {shown}") as caught:
        ask(connection, register(connection), wish)
    assert caught.value.diag.message_hint == "Ask it for quiet, resume or stop."


def test_who_asks_and_does_not_commit_holds_up_no_heartbeat(
    connection: Connection, other: Connection
) -> None:
    worker = register(connection)
    connection.execute("SET lock_timeout = '1s'")
    with other.transaction():
        assert ask(other, worker, "quiet")
        assert value(connection, "SELECT pgqueue.renew(%s, 0)", worker)
