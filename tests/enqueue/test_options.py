"""On every kind of connection, options and arguments arrive as they were given."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from pgqueue import PgQueue, Task
from tests.enqueue.kinds import Caller
from tests.support import job, row

Connection = psycopg.Connection[Any]
Send = Task[..., Any]

HARD_TEXTS = [
    "Grüße 😀 漢字 \u202e",
    "100 % of %s and %(text)s, :text and ::text, \\:x \\ ' \" $1 ? {0}",
    "line\nline\ttab\x1b[31m\x7f",
    "",
]


async def test_every_option_arrives(caller: Caller, send: Send, connection: Connection) -> None:
    options = {
        "queue": "mail: 50 %",
        "priority": -10,
        "run_at": datetime(2100, 1, 1, 12, 30, tzinfo=UTC),
        "max_attempts": 3,
        "timeout": timedelta(seconds=90.5),
        "tags": ["vip", "ä😀", "a,b", "%s", ":x", '"{}"', "NULL"],
    }
    handle = await caller.settle(
        send.using(**options, meta={"tenant": "😀 %s :x"}).enqueue(caller.connection, "a")
    )
    await caller.commit()
    found = job(connection, handle.id)
    assert found is not None
    assert {name: found[name] for name in options} == options
    assert found["meta"] == {"tenant": "😀 %s :x"}
    assert handle.queue == "mail: 50 %"


async def test_another_zone_is_the_same_instant(
    caller: Caller, send: Send, connection: Connection
) -> None:
    there = datetime(2100, 7, 1, 12, tzinfo=ZoneInfo("America/St_Johns"))
    await caller.execute("SET TIME ZONE 'Asia/Kathmandu'")
    handle = await caller.settle(send.using(run_at=there).enqueue(caller.connection))
    record = await caller.settle(handle.get(caller.connection))
    assert record.run_at == there
    assert record.run_at.tzinfo is not None
    await caller.commit()
    found = job(connection, handle.id)
    assert found is not None
    assert found["run_at"] == there


async def test_a_delay_counts_from_the_transaction(
    caller: Caller, send: Send, connection: Connection
) -> None:
    handle = await caller.settle(send.using(delay=90).enqueue(caller.connection))
    await caller.commit()
    found = row(
        connection,
        "SELECT run_at - enqueued_at AS delay, state FROM pgqueue.jobs WHERE id = %s",
        handle.id,
    )
    assert found == {"delay": timedelta(seconds=90), "state": "scheduled"}


async def test_hard_texts_arrive(caller: Caller, send: Send, connection: Connection) -> None:
    for text in HARD_TEXTS:
        handle = await caller.settle(send.enqueue(caller.connection, text, number=2**53))
        await caller.commit()
        found = job(connection, handle.id)
        assert found is not None
        assert found["args"] == {"text": text, "number": 2**53}


async def test_planted_names_in_the_search_path_are_not_used(
    caller: Caller, send: Send, app: PgQueue, connection: Connection
) -> None:
    connection.execute("""
        CREATE SCHEMA evil;
        CREATE TABLE evil.job (id bigint);
        CREATE TABLE evil.jobs (id bigint);
        CREATE TABLE evil.queue (name text);
        CREATE FUNCTION evil.enqueue(text, jsonb, text, integer, timestamptz, integer,
                                     interval, text[], jsonb, integer)
            RETURNS bigint LANGUAGE sql AS 'SELECT -1::bigint';
        CREATE FUNCTION evil.enqueue_many(jsonb, integer) RETURNS SETOF bigint
            LANGUAGE sql AS 'SELECT -1::bigint';
        CREATE FUNCTION evil.check_args(jsonb, integer) RETURNS void LANGUAGE sql AS 'SELECT 1/0';
        CREATE FUNCTION evil.ring(text) RETURNS void LANGUAGE sql AS 'SELECT 1/0';
        CREATE FUNCTION evil.cancel(bigint, text) RETURNS text LANGUAGE sql AS 'SELECT ''hacked''';
        CREATE FUNCTION evil.retry(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT 1/0 = 1';
        CREATE FUNCTION evil.now() RETURNS timestamptz
            LANGUAGE sql AS 'SELECT ''1999-01-01''::timestamptz';
    """)
    await caller.execute("SET search_path = evil")
    first = await caller.settle(send.using(delay=60).enqueue(caller.connection, "x" * 2000))
    (second,) = await caller.settle(app.enqueue_many(caller.connection, [send.job("b" * 2000)]))
    assert await caller.settle(first.cancel(caller.connection)) is True
    assert await caller.settle(first.retry(caller.connection)) is True
    assert await caller.settle(second.state(caller.connection)) == "queued"
    await caller.commit()
    assert first.id > 0
    assert second.id > first.id
