"""Pauses that end by themselves: whoever asks compares them with the clock."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support import claim, claim_gated, enqueue, heard, register, row, value

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
PAUSE = "SELECT pgqueue.pause_queue('default', 'flood', 'ann', now() + %s::interval)"
RESUME = "SELECT pgqueue.resume_queue('default')"
PAUSED = "SELECT paused_at, paused_by, pause_reason, paused_until FROM pgqueue.queue_stats"


def let_it_end(connection: Connection) -> None:
    """The pause began two hours ago, and has ended an hour ago."""
    connection.execute(
        "UPDATE pgqueue.queue SET paused_at = now() - interval '2 hours', "
        "paused_until = now() - interval '1 hour'"
    )


def test_a_queue_is_paused_until_then(connection: Connection, guard: Guard) -> None:
    guarded = guard(
        "claim", "CASE WHEN q.paused_until <= now() THEN NULL ELSE q.paused_at END", "q.paused_at"
    )
    enqueue(connection)
    worker = register(connection)
    connection.execute(PAUSE, ["1 hour"])
    assert claim(connection, worker) == []
    let_it_end(connection)
    assert len(claim(connection, worker)) == guarded


def test_the_gate_is_paused_until_then(connection: Connection, guard: Guard) -> None:
    guarded = guard("claim_gated", "coalesce(q.paused_until > now(), true)", "true")
    enqueue(connection, flow={"order_key": "a"})
    worker = register(connection)
    connection.execute(PAUSE, ["1 hour"])
    assert claim_gated(connection, worker) == []
    let_it_end(connection)
    assert len(claim_gated(connection, worker)) == guarded


def test_an_ended_pause_is_not_shown(connection: Connection) -> None:
    connection.execute(PAUSE, ["1 hour"])
    shown = row(connection, PAUSED)
    assert (shown["paused_by"], shown["pause_reason"]) == ("ann", "flood")
    assert shown["paused_until"] == value(connection, "SELECT paused_until FROM pgqueue.queue")
    let_it_end(connection)
    assert set(row(connection, PAUSED).values()) == {None}


def test_pausing_again_says_anew_until_when(connection: Connection) -> None:
    connection.execute(PAUSE, ["1 hour"])
    first = row(connection, PAUSED)
    connection.execute(PAUSE, ["3 hours"])
    second = row(connection, PAUSED)
    assert second["paused_at"] == first["paused_at"]
    assert second["paused_until"] > first["paused_until"]
    connection.execute("SELECT pgqueue.pause_queue('default')")
    assert row(connection, PAUSED)["paused_until"] is None


def test_a_pause_after_one_that_ended_is_a_new_one(connection: Connection, guard: Guard) -> None:
    guarded = guard(
        "pause_queue", "WHEN q.paused_until <= now() THEN now()", "WHEN false THEN now()"
    )
    connection.execute(PAUSE, ["1 hour"])
    let_it_end(connection)
    with connection.transaction():
        connection.execute(PAUSE, ["1 hour"])
        assert value(connection, "SELECT paused_at = now() FROM pgqueue.queue") is guarded


def test_resuming_what_has_ended_wakes_who_sleeps(
    connection: Connection, other: Connection
) -> None:
    other.execute("LISTEN pgqueue")
    other.execute("SELECT pg_advisory_lock(7077, hashtext('default'))")
    connection.execute(PAUSE, ["1 hour"])
    let_it_end(connection)
    assert value(connection, RESUME) is False
    assert len(heard(other, "pgqueue")) == 1
    stored = "SELECT paused_at, paused_by, pause_reason, paused_until FROM pgqueue.queue"
    assert set(row(connection, stored).values()) == {None}


def test_resuming_before_it_ends(connection: Connection) -> None:
    connection.execute(PAUSE, ["1 hour"])
    assert value(connection, RESUME) is True
    assert value(connection, RESUME) is False


@pytest.mark.parametrize("length", ["0", "-1 second"])
def test_a_pause_that_would_be_over_already(connection: Connection, length: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="over already") as error:
        connection.execute(PAUSE, [length])
    assert error.value.diag.message_hint
    assert set(row(connection, PAUSED).values()) == {None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("paused_until = now()", "only a paused queue has paused_until"),
        ("paused_at = now(), paused_until = 'infinity'", "between the years 2 and 9998"),
    ],
)
def test_what_a_plain_update_may_not_say(connection: Connection, change: str, message: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=message):
        connection.execute(f"UPDATE pgqueue.queue SET {change}".encode())
