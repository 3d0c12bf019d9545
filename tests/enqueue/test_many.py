"""Many jobs at once, in the caller's transaction: enqueue_many on every kind, COPY on psycopg."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import class_row, dict_row, kwargs_row, namedtuple_row, scalar_row, tuple_row

from pgqueue import InvalidArguments, PgQueue, Task, UnsupportedConnection
from tests.enqueue.kinds import KINDS, Caller, caller_of
from tests.support import claim, heard, job, register, rows, state, value, values

Connection = psycopg.Connection[Any]
Send = Task[..., Any]
COPYING = ["psycopg Connection", "psycopg AsyncConnection"]


only_copying = pytest.mark.parametrize("caller", COPYING, indirect=True)


async def test_ids_come_in_the_order_of_the_jobs(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    jobs = [send.using(priority=number % 21 - 10).job(str(number)) for number in range(2_345)]
    handles = await caller.settle(app.enqueue_many(caller.connection, iter(jobs)))
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [0]
    await caller.commit()
    ids = [handle.id for handle in handles]
    assert ids == sorted(set(ids))
    found = values(connection, "SELECT args ->> 'text' FROM pgqueue.jobs ORDER BY id")
    assert found == [str(number) for number in range(2_345)]
    last = job(connection, ids[-1])
    assert last is not None
    assert (last["args"]["text"], last["priority"]) == ("2344", 2344 % 21 - 10)


async def test_many_with_every_option(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    options: dict[str, Any] = {
        "queue": "bulk: %s",
        "priority": 7,
        "run_at": datetime(2100, 1, 1, tzinfo=UTC),
        "max_attempts": 1000,
        "timeout": timedelta(days=2, seconds=1.5),
        "tags": ["a", "ä😀 :x %"],
    }
    new = [
        send.using(**options, meta={"n": 1, "t": ":x %s"}).job("😀 %s :x", number=1),
        send.using(delay=timedelta(days=40, hours=1)).job(),
        send.job(),
    ]
    full, late, plain = await caller.settle(app.enqueue_many(caller.connection, new))
    await caller.commit()
    found = job(connection, full.id)
    assert found is not None
    assert {name: found[name] for name in options} == options
    assert (found["meta"], found["args"]) == (
        {"n": 1, "t": ":x %s"},
        {"text": "😀 %s :x", "number": 1},
    )
    delay = "SELECT run_at - enqueued_at FROM pgqueue.jobs WHERE id = %s"
    assert value(connection, delay, late.id) == timedelta(days=40, hours=1)
    assert state(connection, late.id) == "scheduled"
    assert (plain.queue, state(connection, plain.id)) == ("default", "queued")


async def test_many_roll_back(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    assert await caller.settle(app.enqueue_many(caller.connection, [])) == []
    await caller.settle(app.enqueue_many(caller.connection, [send.job()] * 3))
    await caller.rollback()
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [0]


def test_a_job_that_does_not_fit_stops_all_before_the_database(
    app: PgQueue, send: Send, connection: Connection
) -> None:
    with pytest.raises(InvalidArguments, match="argument number: expected int, got str"):
        app.enqueue_many(connection, (send.job("a", number) for number in (1, "two")))
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [0]


# COPY


@only_copying
async def test_copied_jobs_are_like_enqueued_ones(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    special = send.using(
        queue="ma\\il\t\\N",
        priority=3,
        max_attempts=2,
        timeout=timedelta(days=2, seconds=1.5),
        tags=["a", "ä😀", 'back\\slash "quoted", {x}\t\n'],
        meta={"t": "\\N %s\n"},
    )
    new = [
        special.job("\\N\t\n😀"),
        send.using(delay=3600).job("later"),
        send.using(run_at=datetime(2100, 1, 1, tzinfo=UTC)).job("much later"),
        send.using(run_at=datetime(2000, 1, 1, tzinfo=UTC)).job("overdue"),
        send.job("now"),
    ]
    assert await caller.settle(app.copy_many(caller.connection, iter(new))) == 5
    await caller.commit()
    copied = _comparable(connection)
    connection.execute("DELETE FROM pgqueue.job")
    app.enqueue_many(connection, new)
    assert copied == _comparable(connection)
    assert [found["state"] for found in copied] == [
        "queued",
        "scheduled",
        "scheduled",
        "queued",
        "queued",
    ]


def _comparable(connection: Connection) -> list[dict[str, Any]]:
    return rows(
        connection,
        """
        SELECT task, args, queue, priority, max_attempts, timeout, tags, meta, state,
               greatest(run_at - enqueued_at, interval '0') < interval '2 hours' AS soon
        FROM pgqueue.jobs ORDER BY id
        """,
    )


@only_copying
async def test_copied_jobs_can_be_claimed_and_late_ones_promoted(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    new = [send.job("1"), send.using(delay=3600).job("late"), send.job("2")]
    await caller.settle(app.copy_many(caller.connection, new))
    await caller.commit()
    worker = register(connection)
    assert [found["args"] for found in claim(connection, worker, 10)] == [
        '{"text": "1"}',
        '{"text": "2"}',
    ]
    connection.execute("UPDATE pgqueue.job SET run_at = now() WHERE ready_xid IS NULL")
    connection.execute("SELECT pgqueue.promote(10)")
    assert [found["args"] for found in claim(connection, worker, 10)] == ['{"text": "late"}']


@only_copying
async def test_copied_jobs_roll_back_with_their_transaction_or_savepoint(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    await caller.execute("SELECT 1")
    await caller.settle(app.copy_many(caller.connection, [send.job("kept")]))
    with suppress(ZeroDivisionError):
        async with caller.savepoint():
            await caller.settle(app.copy_many(caller.connection, [send.job("undone")]))
            raise ZeroDivisionError
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [0]
    await caller.commit()
    assert values(connection, "SELECT args ->> 'text' FROM pgqueue.jobs") == ["kept"]
    await caller.settle(app.copy_many(caller.connection, [send.job("undone")]))
    await caller.rollback()
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [1]


@only_copying
async def test_copy_without_a_transaction_of_the_caller_is_not_committed(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    await caller.settle(app.copy_many(caller.connection, [send.job()]))
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [0]
    await caller.rollback()
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [0]


@only_copying
async def test_an_error_in_the_callers_iterator_leaves_the_transaction_as_it_was(
    caller: Caller, app: PgQueue, send: Send, connection: Connection
) -> None:
    await caller.settle(send.enqueue(caller.connection, "before"))
    jobs = (send.job("a", number) for number in (1, "two"))
    with pytest.raises(InvalidArguments, match="argument number: expected int, got str"):
        await caller.settle(app.copy_many(caller.connection, jobs))
    await caller.commit()
    assert values(connection, "SELECT args ->> 'text' FROM pgqueue.jobs") == ["before"]


@pytest.mark.parametrize("way", ["enqueue_many", "copy_many"])
@only_copying
async def test_whoever_sleeps_is_woken(
    caller: Caller, app: PgQueue, send: Send, connection: Connection, other: Connection, way: str
) -> None:
    connection.execute("LISTEN pgqueue")
    asleep = "SELECT pg_advisory_lock(7077, hashtext(%s))"
    other.execute(asleep, ["mail"])
    other.execute(asleep, ["default"])
    jobs = [send.using(queue=queue).job() for queue in ("mail", "bulk", "mail", "default")]
    await caller.settle(getattr(app, way)(caller.connection, jobs))
    assert heard(connection, "pgqueue") == []
    await caller.commit()
    expected = values(
        connection, "SELECT hashtext(name)::text FROM unnest(ARRAY['mail', 'default']) AS name"
    )
    assert sorted(heard(connection, "pgqueue")) == sorted(expected)


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in COPYING])
async def test_copy_needs_psycopg(kind: str, app: PgQueue, send: Send, dsn: str) -> None:
    async with KINDS[kind](dsn) as caller:
        with pytest.raises(UnsupportedConnection) as caught:
            app.copy_many(caller.connection, [send.job()])
    name = type(caller.connection).__name__
    assert str(caught.value) == (
        f"COPY needs a psycopg connection, got {name}. "
        "Use enqueue_many, which works with every connection."
    )


# Settings of the owner's connection that change what a cursor gives


class Pair:
    """What class_row makes of the owner's rows; not what pgqueue asks for."""

    def __init__(self, left: int, right: int) -> None:
        self.pair = (left, right)


@pytest.mark.parametrize(
    "row_factory",
    [dict_row, class_row(Pair), namedtuple_row, scalar_row, kwargs_row(Pair), tuple_row],
    ids=["dict_row", "class_row", "namedtuple_row", "scalar_row", "kwargs_row", "tuple_row"],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_row_factories_of_the_owner_do_not_disturb(
    app: PgQueue, send: Send, dsn: str, row_factory: Any, is_async: bool, connection: Connection
) -> None:
    if is_async:
        opened: Any = await psycopg.AsyncConnection.connect(dsn, row_factory=row_factory)
    else:
        opened = psycopg.connect(dsn, row_factory=row_factory)
    await _everything(caller_of(opened), app, send)
    assert opened.row_factory is row_factory
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs WHERE state = 'queued'") == [3]


@pytest.mark.parametrize("cursor_factory", [psycopg.ClientCursor, psycopg.RawCursor])
async def test_cursor_factories_of_the_owner_do_not_disturb(
    app: PgQueue, send: Send, dsn: str, cursor_factory: Any, connection: Connection
) -> None:
    await _everything(caller_of(psycopg.connect(dsn, cursor_factory=cursor_factory)), app, send)
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs WHERE state = 'queued'") == [3]


@pytest.mark.parametrize("cursor_factory", [psycopg.AsyncClientCursor, psycopg.AsyncRawCursor])
async def test_cursor_factories_of_async_owners_do_not_disturb(
    app: PgQueue, send: Send, dsn: str, cursor_factory: Any, connection: Connection
) -> None:
    opened = await psycopg.AsyncConnection.connect(dsn, cursor_factory=cursor_factory)
    await _everything(caller_of(opened), app, send)
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs WHERE state = 'queued'") == [3]


async def _everything(caller: Caller, app: PgQueue, send: Send) -> None:
    """Each way in, and a handle, on one connection."""
    first = await caller.settle(send.enqueue(caller.connection, "50 %"))
    assert await caller.settle(first.cancel(caller.connection)) is True
    assert await caller.settle(first.retry(caller.connection)) is True
    assert (await caller.settle(first.get(caller.connection))).state == "queued"
    await caller.settle(app.enqueue_many(caller.connection, [send.job("50 %")]))
    assert await caller.settle(app.copy_many(caller.connection, [send.job("50 %")])) == 1
    await caller.commit()
    closing: Callable[[], Any] = caller.connection.close
    await (closing() if caller.is_async else _now(closing))


async def _now(close: Callable[[], Any]) -> None:
    close()


def test_a_pipeline_of_the_owner_does_not_disturb(
    send: Send, connect: Callable[..., Connection], connection: Connection
) -> None:
    with connect(autocommit=False) as owner, owner.pipeline():
        owner.execute("CREATE TABLE note (id bigint)")
        job = send.enqueue(owner, "a")
        owner.execute("INSERT INTO note VALUES (%s)", [job.id])
    assert values(connection, "SELECT id FROM note") == [job.id]
    assert state(connection, job.id) == "queued"


def test_autocommit_commits_at_once(send: Send, connection: Connection, other: Connection) -> None:
    assert state(other, send.enqueue(connection, "a").id) == "queued"
