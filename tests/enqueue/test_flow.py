"""Flow options arrive as they were given, on every kind of connection, alone and many at once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pgqueue import By, InvalidOption, Limit, NewJob, PgQueue, Task
from tests.enqueue.kinds import Caller
from tests.support.jobs import existing_job, row, rows

Connection = psycopg.Connection[Any]
Send = Task[..., Any]
COPYING = ["psycopg Connection", "psycopg AsyncConnection"]
OPTIONS: dict[str, Any] = {
    "order_key": By("text", "number"),
    "on_failure": "skip",
    "fair_key": UUID("12345678-1234-5678-1234-567812345678"),
    "limits": ["stripe: %s :x", Limit("tenant", key=By("number"), weight=3)],
    "expires": datetime(2100, 1, 1, tzinfo=UTC),
    "retry_for": timedelta(hours=1),
}
TEXT = "Grüße 😀 % :x"


def check(connection: Connection, id: int) -> None:
    """The job of OPTIONS is stored as it should be."""
    found = existing_job(connection, id)
    assert found["state"] == "blocked"
    budget = found["flow"].pop("retry_until")
    assert datetime.fromisoformat(budget) == found["enqueued_at"] + timedelta(hours=1)
    assert datetime.fromisoformat(found["flow"].pop("expires_at")) == OPTIONS["expires"]
    assert found["flow"] == {
        "order_key": f'["{TEXT}", 7]',
        "on_failure": "skip",
        "fair_key": "12345678-1234-5678-1234-567812345678",
        "limits": {"stripe: %s :x": 1, "tenant:7": 3},
    }
    gate = row(connection, "SELECT * FROM pgqueue.gate WHERE job_id = %s", id)
    assert (gate["state"], gate["buckets"]) == ("open", ["stripe: %s :x", "tenant:7"])
    assert gate["weights"] == [1, 3]


async def test_one_job(caller: Caller, send: Send, connection: Connection) -> None:
    limited = send.using(**OPTIONS)
    handle = await caller.settle(limited.enqueue(caller.connection, TEXT, number=7))
    assert rows(connection, "SELECT FROM pgqueue.job") == []
    await caller.commit()
    assert handle.created is True
    check(connection, handle.id)


async def test_many_jobs(caller: Caller, app: PgQueue, send: Send, connection: Connection) -> None:
    jobs = [send.job("plain"), send.using(**OPTIONS).job(TEXT, number=7), send.job("plain")]
    first, limited, last = await caller.settle(app.enqueue_many(caller.connection, jobs))
    await caller.commit()
    assert [handle.created for handle in (first, limited, last)] == [True, True, True]
    check(connection, limited.id)
    assert existing_job(connection, first.id)["state"] == "queued"
    assert existing_job(connection, last.id)["flow"] is None


async def test_a_rollback_leaves_nothing(
    caller: Caller, send: Send, connection: Connection
) -> None:
    await caller.settle(send.using(order_key="a").enqueue(caller.connection))
    await caller.rollback()
    assert rows(connection, "SELECT FROM pgqueue.job") == []
    assert rows(connection, "SELECT FROM pgqueue.gate") == []


async def test_a_job_for_later_comes_to_the_gate_when_it_is_due(
    caller: Caller, send: Send, connection: Connection
) -> None:
    handle = await caller.settle(send.using(order_key="a", delay=3600).enqueue(caller.connection))
    await caller.commit()
    assert existing_job(connection, handle.id)["state"] == "scheduled"
    assert rows(connection, "SELECT FROM pgqueue.gate") == []
    connection.execute("UPDATE pgqueue.job SET run_at = now()")
    connection.execute("SELECT pgqueue.promote(10)")
    assert existing_job(connection, handle.id)["state"] == "blocked"
    assert rows(connection, "SELECT FROM pgqueue.gate WHERE state = 'open'") != []


async def test_a_key_that_cannot_be_made_touches_no_transaction(
    caller: Caller, send: Send, connection: Connection
) -> None:
    limited = send.using(order_key=By("text"))
    with pytest.raises(InvalidOption, match=r"order_key has 1 to 200 bytes, got 300\."):
        limited.enqueue(caller.connection, "x" * 300)
    handle = await caller.settle(limited.enqueue(caller.connection, "x"))
    await caller.commit()
    assert existing_job(connection, handle.id)["flow"] == {"order_key": "x"}


async def test_now(app: PgQueue, send: Send, connection: Connection) -> None:
    check(connection, send.using(**OPTIONS).enqueue_now(TEXT, number=7).id)
    handle = await send.using(**OPTIONS).enqueue_now_async(TEXT, number=7)
    check(connection, handle.id)
    await app.close_async()


@pytest.mark.parametrize("caller", COPYING, indirect=True)
async def test_copy_takes_flow_options_or_says_what_to_do(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    jobs: list[NewJob] = [send.job("plain"), send.using(order_key="a").job()]
    with pytest.raises(InvalidOption, match="enqueue_many"):
        await caller.settle(app.copy_many(caller.connection, jobs))
    await caller.rollback()
    assert rows(connection, "SELECT FROM pgqueue.job") == []
