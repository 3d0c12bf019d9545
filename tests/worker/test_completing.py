"""Completion in the handler's own transaction: business rows, follow-ups and the end are one."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import sqlalchemy.ext.asyncio as sa_async
import sqlalchemy.orm as sa_orm

from pgqueue import Fixed, LeaseLost, PgQueue, current_job
from pgqueue.events import JobFinished, LeaseWasLost
from tests.support.jobs import Connection, existing_job, expire, rows, value
from tests.support.working import Events, all_ended, become, soon, working

AT_ONCE = Fixed(__import__("datetime").timedelta(0))
SYNC = ["psycopg", "sqlalchemy connection", "session", "psycopg2 session"]
ASYNC = ["psycopg async", "async connection", "async session", "asyncpg session"]


def _url(dsn: str, driver: str) -> str:
    return dsn.replace("postgresql://", f"postgresql+{driver}://", 1)


@contextmanager
def transaction(kind: str, dsn: str) -> Any:
    """A transaction on a sync connection of this kind; committed at the end of the block."""
    if kind == "psycopg":
        with psycopg.connect(dsn) as connection:
            yield connection, connection.execute
        return
    engine = sa.create_engine(
        _url(dsn, "psycopg2" if "psycopg2" in kind else "psycopg"), poolclass=sa.NullPool
    )
    with engine.begin() if "connection" in kind else sa_orm.Session(engine) as connection:
        yield connection, lambda query: connection.execute(sa.text(query))
        if "session" in kind:
            connection.commit()


@asynccontextmanager
async def async_transaction(kind: str, dsn: str) -> AsyncIterator[Any]:
    """The same, asynchronously."""
    if kind == "psycopg async":
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            yield connection, connection.execute
        return
    engine = sa_async.create_async_engine(
        _url(dsn, "asyncpg" if "asyncpg" in kind else "psycopg"), poolclass=sa.NullPool
    )
    if "connection" in kind:
        async with engine.begin() as plain:
            yield plain, lambda query: plain.execute(sa.text(query))
    else:
        async with sa_async.AsyncSession(engine) as session:
            yield session, lambda query: session.execute(sa.text(query))
            await session.commit()
    await engine.dispose()


class Undo(Exception):
    pass


@pytest.fixture
def business(connection: Connection) -> Callable[[], int]:
    """A table of the user's, and how many rows it has."""
    connection.execute("CREATE TABLE business (job_id bigint)")
    return lambda: int(value(connection, "SELECT count(*) FROM business"))


def _insert() -> str:
    return f"INSERT INTO business VALUES ({current_job().id})"


@pytest.mark.parametrize("kind", SYNC)
async def test_commit_and_rollback_in_threads(
    app: PgQueue, connection: Connection, dsn: str, business: Callable[[], int], kind: str
) -> None:
    @app.task
    def follow_up() -> None: ...

    @app.task(retry=AT_ONCE)
    def work(undo: bool) -> str:
        running = current_job()
        try:
            with transaction(kind, dsn) as (own, execute):
                execute(_insert())
                follow_up.enqueue(own)
                running.complete(own, result="done")
                if undo and running.attempt == 1:
                    raise Undo
        except Undo:
            pass
        return "what is returned later does not count"

    once, twice = work.enqueue(connection, False), work.enqueue(connection, True)
    async with working(app):
        await become(connection, once, "succeeded")
        await become(connection, twice, "succeeded")
        await all_ended(connection)
    _check(connection, once.id, twice.id, business)


@pytest.mark.parametrize("kind", ASYNC)
async def test_commit_and_rollback_on_the_loop(
    app: PgQueue, connection: Connection, dsn: str, business: Callable[[], int], kind: str
) -> None:
    @app.task
    def follow_up() -> None: ...

    @app.task(retry=AT_ONCE)
    async def work(undo: bool) -> str:
        running = current_job()
        try:
            async with async_transaction(kind, dsn) as (own, execute):
                await execute(_insert())
                await follow_up.enqueue(own)
                await running.complete(own, result="done")
                if undo and running.attempt == 1:
                    raise Undo
        except Undo:
            pass
        return "what is returned later does not count"

    once, twice = work.enqueue(connection, False), work.enqueue(connection, True)
    async with working(app):
        await become(connection, once, "succeeded")
        await become(connection, twice, "succeeded")
        await all_ended(connection)
    _check(connection, once.id, twice.id, business)


def _check(connection: Connection, once: int, twice: int, business: Callable[[], int]) -> None:
    assert business() == 2
    follow_ups = "SELECT count(*) FROM pgqueue.jobs WHERE task = 'follow_up'"
    assert value(connection, follow_ups) == 2
    failures = rows(connection, "SELECT job_id, error_type FROM pgqueue.failures")
    assert failures == [{"job_id": twice, "error_type": "pgqueue.errors.CompletionLost"}]
    for id in (once, twice):
        assert existing_job(connection, id)["result"] == "done"


async def test_a_handler_that_completed_and_then_raises_has_succeeded(
    app: PgQueue, connection: Connection, dsn: str, events: Events
) -> None:
    @app.task
    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as own:
            await current_job().complete(own)
        raise ValueError("too late")

    enqueued = work.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "succeeded")
        await soon(lambda: events.finished())
    assert rows(connection, "SELECT * FROM pgqueue.failures") == []
    assert existing_job(connection, enqueued.id)["attempt"] == 1


async def test_what_it_raised_before_the_commit_is_remembered(
    app: PgQueue, connection: Connection, dsn: str, business: Callable[[], int]
) -> None:
    @app.task(max_attempts=1)
    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as own:
            await own.execute(_insert())
            await current_job().complete(own)
            raise KeyError("before the commit")

    enqueued = work.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "dead")
    assert business() == 0
    assert "KeyError" in existing_job(connection, enqueued.id)["reason"]


async def test_a_lost_lease_rolls_the_business_rows_back(
    app: PgQueue,
    connection: Connection,
    dsn: str,
    business: Callable[[], int],
    events: Events,
) -> None:
    lost: list[BaseException] = []
    go_on = threading.Event()

    @app.task(retry=AT_ONCE)
    def work() -> None:
        first = current_job().attempt == 1
        try:
            with psycopg.connect(dsn) as own:
                own.execute(_insert())
                if first:
                    go_on.wait(20)
                current_job().complete(own)
        except LeaseLost as error:
            lost.append(error)
            raise

    enqueued = work.enqueue(connection)
    async with working(app, heartbeat=8.0, lease=20.0) as worker:
        await become(connection, enqueued, "running")
        async with working(app, heartbeat=8.0, lease=20.0, name="second"):
            assert worker._parts is not None
            expire(connection, worker._parts.heart.worker_id)
            connection.execute("SELECT pgqueue.rescue()")
            await become(connection, enqueued, "succeeded")
            go_on.set()
            await soon(lambda: lost)
    assert business() == 1
    assert "no longer leased" in str(lost[0])
    assert existing_job(connection, enqueued.id)["attempt"] == 2
    assert events.of(LeaseWasLost)
    kept = rows(connection, "SELECT error_type FROM pgqueue.failures")
    assert kept == [{"error_type": "WorkerLost"}]


async def test_a_transaction_left_open_costs_only_its_job(
    app: PgQueue, connection: Connection, dsn: str
) -> None:
    """A handler completes, and returns without having committed; its connection stays open."""
    left_open: list[psycopg.AsyncConnection[Any]] = []

    @app.task(retry=AT_ONCE)
    async def forgets() -> None:
        if current_job().attempt == 1:
            own = await psycopg.AsyncConnection.connect(dsn)
            left_open.append(own)
            await current_job().complete(own)

    @app.task
    async def good() -> None: ...

    enqueued = forgets.enqueue(connection)
    async with working(app):
        await soon(lambda: left_open)
        for _ in range(5):
            await become(connection, good.enqueue(connection), "succeeded", within=10)
        await left_open[0].close()
        await become(connection, enqueued, "succeeded")
    failures = rows(connection, "SELECT error_type FROM pgqueue.failures")
    assert failures == [{"error_type": "pgqueue.errors.CompletionLost"}]


async def test_progress_does_not_wait_for_the_handler_s_transaction(
    app: PgQueue, connection: Connection, dsn: str
) -> None:
    go_on, completed = asyncio.Event(), asyncio.Event()

    @app.task
    async def slow() -> None:
        running = current_job()
        async with await psycopg.AsyncConnection.connect(dsn) as own:
            await running.complete(own)
            running.progress(1, 2)
            completed.set()
            await go_on.wait()

    @app.task
    async def good() -> None: ...

    enqueued = slow.enqueue(connection)
    async with working(app):
        await completed.wait()
        for _ in range(5):
            await become(connection, good.enqueue(connection), "succeeded", within=10)
        go_on.set()
        await become(connection, enqueued, "succeeded")


async def test_a_completed_job_is_told_of_once(
    app: PgQueue, connection: Connection, dsn: str, events: Events
) -> None:
    @app.task
    def work() -> None:
        with psycopg.connect(dsn) as own:
            current_job().complete(own)

    for _ in range(20):
        work.enqueue(connection)
    async with working(app):
        await all_ended(connection)
        await soon(lambda: len(events.finished()) == 20)
    assert {type(e.outcome).__name__ for e in events.of(JobFinished)} == {"Succeeded"}
    assert events.of(LeaseWasLost) == []
