"""Whatever one job does or is, it costs that job only."""

import asyncio
import contextvars
import time
from typing import Any

import pytest

from pgqueue import PgQueue, current_job
from pgqueue.events import Trouble, UnknownTaskSeen
from tests.support.jobs import Connection, enqueue, job, row, rows, value
from tests.support.working import Events, all_ended, application, become, soon, working


class Outrage(BaseException):
    pass


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise SystemExit("even my message exits")

    __repr__ = __str__


class Nul(Exception):
    def __str__(self) -> str:
        return "a\x00b\ud800c" + "x" * 100_000


ERRORS: list[BaseException | type[BaseException]] = [
    SystemExit(1), KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, StopIteration,
    StopAsyncIteration, Outrage, Unspeakable, Nul, MemoryError, RecursionError,
    BaseExceptionGroup("group", [Outrage(), ValueError()]),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["loop", "thread", "timed"])
async def test_nothing_that_a_handler_raises_stops_the_worker(
    app: PgQueue, connection: Connection, kind: str
) -> None:
    if kind == "thread":

        @app.task(max_attempts=1)
        def fails(number: int) -> None:
            raise ERRORS[number]

    else:

        @app.task(name="fails", max_attempts=1, timeout=20 if kind == "timed" else None)
        async def fails(number: int) -> None:
            raise ERRORS[number]

    @app.task
    async def good() -> None: ...

    for number in range(len(ERRORS)):
        fails.enqueue(connection, number)
        good.enqueue(connection)
    async with working(app, concurrency=4):
        await all_ended(connection)
    assert value(connection, "SELECT count(*) FROM pgqueue.dead_jobs") == len(ERRORS)
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == len(ERRORS)
    assert value(connection, "SELECT max(length(message)) FROM pgqueue.failures") < 3000


RESULTS: list[Any] = [
    object(), {1, object()}, float("nan"), "\ud800", "nul \x00", b"\xff" * 10,
    {"a": "x" * 2_000_000}, lambda: None, 10**5000, ValueError,
]  # fmt: skip


async def test_results_that_cannot_be_kept(app: PgQueue, connection: Connection) -> None:
    deep: Any = []
    for _ in range(3000):
        deep = [deep]

    @app.task(max_attempts=1)
    async def returns(number: int) -> Any:
        return RESULTS[number] if number < len(RESULTS) else deep

    for number in range(len(RESULTS) + 1):
        returns.enqueue(connection, number)
    async with working(app):
        await all_ended(connection)
    kept = rows(connection, "SELECT args, result FROM pgqueue.jobs WHERE state = 'succeeded'")
    assert {found["args"]["number"] for found in kept} <= {5}, "only bytes can be kept"
    reasons = rows(connection, "SELECT reason FROM pgqueue.dead_jobs")
    assert all("returns: " in found["reason"] for found in reasons)


POISON = [
    ("t", '{"a": 1e5000}'),
    ("t", '{"a": ' + "[" * 5000 + "]" * 5000 + "}"),
    ("t", '{"a": "not a number"}'),
    ("t", '{"a": 1, "extra": 2}'),
    ("t", "{}"),
    ("no_such_task", "{}"),
    ("__import__", "{}"),
    ("Ω \x1b[31m'; DROP TABLE x; --", "{}"),
]


async def test_poison_among_good_jobs(app: PgQueue, connection: Connection, events: Events) -> None:
    @app.task
    def t(a: int) -> int:
        return a

    for number in range(50):
        t.enqueue(connection, number)
        if number < len(POISON):
            task, args = POISON[number]
            connection.execute(
                "INSERT INTO pgqueue.job (task, args) VALUES (%s, %s::jsonb)", [task, args]
            )
    unknown = [task for task, _ in POISON if task != "t"]
    async with working(app):
        await all_ended(connection, task="t")
        await soon(lambda: len(events.of(UnknownTaskSeen)) == len(unknown))
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == 50
    assert value(connection, "SELECT count(*) FROM pgqueue.dead_jobs") == len(POISON) - len(unknown)
    assert value(connection, "SELECT max(attempt) FROM pgqueue.dead_jobs") == 1, (
        "retrying is no cure"
    )
    left = rows(connection, "SELECT task, attempt, state FROM pgqueue.jobs WHERE task <> 't'")
    assert sorted(found["task"] for found in left) == sorted(unknown)
    assert {(found["attempt"], found["state"]) for found in left} == {(0, "queued")}


ODD_ROWS = [
    "timeout => interval '170000000 years'",
    "timeout => interval '3000000 years'",
    "timeout => interval '1 microsecond', max_attempts => 1",
    "run_at => '0002-01-01 00:00:00+00'",
    "tags => ARRAY[NULL, '', E'\\n']",
    "meta => '{\"a\": 1e5000}'",
    "priority => 10, max_attempts => 1000",
]


async def test_odd_rows(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def t() -> None: ...

    for odd in ODD_ROWS:
        connection.execute(f"SELECT pgqueue.enqueue('t', {odd})".encode())
    for progress in ("[]", "3", '{"checkpoint": 1e5000}', "null"):
        id = enqueue(connection, "t")
        connection.execute("UPDATE pgqueue.job SET progress = %s WHERE id = %s", [progress, id])
    good = t.enqueue(connection)
    async with working(app):
        await become(connection, good, "succeeded")
        await all_ended(connection)
    assert value(connection, "SELECT count(*) FROM pgqueue.dead_jobs") <= 1


async def test_unknown_tasks_wait_for_a_worker_that_knows_them(
    dsn: str, app: PgQueue, connection: Connection
) -> None:
    @app.task
    async def old() -> None: ...

    id = enqueue(connection, "new")
    good = old.enqueue(connection)
    async with working(app), application(dsn) as newer:

        @newer.task
        async def new() -> str:
            return "run"

        await become(connection, good, "succeeded")
        async with working(newer):
            assert await newer.job(id).wait_async(20) == "run"
    assert job(connection, id)["attempt"] == 1  # type: ignore[index]  # looking cost nothing


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="clean")


async def test_context_does_not_leak_between_jobs(app: PgQueue, connection: Connection) -> None:
    seen: list[str] = []

    @app.task
    async def on_loop() -> None:
        seen.append(variable.get())
        variable.set("dirty")
        await asyncio.sleep(0)
        assert variable.get() == "dirty"

    @app.task
    def in_thread() -> None:
        seen.append(variable.get())
        variable.set("dirty")

    for _ in range(30):
        on_loop.enqueue(connection)
        in_thread.enqueue(connection)
    async with working(app, concurrency=2):
        await all_ended(connection)
    assert seen == ["clean"] * 60


async def test_context_of_middleware_reaches_threads(app: PgQueue, connection: Connection) -> None:
    @app.middleware
    async def with_variable(job: Any, call_next: Any) -> Any:
        variable.set(f"for {job.id}")
        return await call_next()

    @app.task
    def in_thread() -> str:
        return variable.get()

    enqueued = in_thread.enqueue(connection)
    async with working(app):
        assert await enqueued.wait_async(20) == f"for {enqueued.id}"


async def test_middleware_surrounds_every_attempt(app: PgQueue, connection: Connection) -> None:
    order: list[str] = []

    @app.middleware
    async def outer(job: Any, call_next: Any) -> Any:
        order.append(f"outer {current_job().id == job.id}")
        try:
            return await call_next()
        finally:
            order.append("outer left")

    @app.middleware
    async def inner(job: Any, call_next: Any) -> Any:
        order.append("inner")
        if job.task == "refused":
            raise PermissionError("not this one")
        return [await call_next(), "changed"]

    @app.task
    async def t() -> Any:
        order.append("handler")
        return 1

    @app.task(max_attempts=1)
    async def refused() -> None:
        raise AssertionError("it ran")

    first = t.enqueue(connection)
    async with working(app):
        assert await first.wait_async(20) == [1, "changed"]
        assert order == ["outer True", "inner", "handler", "outer left"]
        second = refused.enqueue(connection)
        await become(connection, second, "dead")
    assert "PermissionError: not this one" in job(connection, second.id)["reason"]  # type: ignore[index]


async def test_a_broken_observer_costs_nothing(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def broken(event: object) -> None:
        raise RuntimeError(type(event).__name__)

    app._observers.insert(0, broken)

    @app.task
    async def t() -> None: ...

    for _ in range(10):
        t.enqueue(connection)
    async with working(app):
        await all_ended(connection)
    assert len(events.finished()) == 10
    assert {context["message"] for context in reported} == {"an observer of pgqueue failed"}


async def test_lifespan_opens_before_the_first_job_and_closes_after_the_last(
    app: PgQueue, connection: Connection
) -> None:
    story: list[str] = []

    @app.lifespan
    async def resources(application: Any) -> Any:
        story.append("open")
        yield {"greeting": "hello"}
        story.append("close")

    @app.task
    async def greet() -> str:
        await asyncio.sleep(0.1)
        story.append("run")
        return str(current_job().state["greeting"])

    enqueued = greet.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "running")
    assert story == ["open", "run", "close"]
    assert job(connection, enqueued.id)["result"] == "hello"  # type: ignore[index]


async def test_a_lifespan_that_fails_tells(app: PgQueue, connection: Connection) -> None:
    @app.lifespan
    async def resources(application: Any) -> Any:
        raise OSError("no disk")
        yield

    with pytest.raises(OSError, match="no disk"):
        async with working(app):
            raise AssertionError("the worker started")
    assert value(connection, "SELECT count(*) FROM pgqueue.worker") == 0


@pytest.mark.slow
async def test_a_blocked_event_loop_keeps_its_job(
    dsn: str, app: PgQueue, connection: Connection, events: Events
) -> None:
    runs: list[int] = []

    @app.task
    async def blocks() -> None:
        runs.append(current_job().attempt)
        time.sleep(3)  # longer than the lease, on purpose

    enqueued = blocks.enqueue(connection)
    async with application(dsn) as other:
        other.task(blocks.__wrapped__, name="blocks") if False else None
        async with working(app):
            await become(connection, enqueued, "succeeded")
    assert runs == [1]
    assert events.of(Trouble) == []


async def test_a_job_locked_by_others_costs_only_itself(
    app: PgQueue, connection: Connection, other: Connection
) -> None:
    """A cancel that somebody has not committed yet holds one row; other jobs end meanwhile."""
    go_on = asyncio.Event()

    @app.task
    async def waits() -> None:
        await go_on.wait()

    @app.task
    async def good() -> None: ...

    locked = waits.enqueue(connection)
    async with working(app, concurrency=4):
        await become(connection, locked, "running")
        other.execute("BEGIN")
        locked.cancel(other)
        go_on.set()
        after = [good.enqueue(connection) for _ in range(20)]
        for enqueued in after:
            await become(connection, enqueued, "succeeded", within=10)
        other.execute("ROLLBACK")
        await become(connection, locked, "succeeded", within=10)


async def test_a_row_locked_while_claimers_looked_is_found_soon(
    app: PgQueue, connection: Connection, other: Connection
) -> None:
    @app.task
    async def t() -> None: ...

    locked = t.enqueue(connection)
    other.execute("BEGIN")
    other.execute("SELECT FROM pgqueue.job WHERE id = %s FOR UPDATE", [locked.id])
    async with working(app):
        after = t.enqueue(connection)
        await become(connection, after, "succeeded")
        other.execute("ROLLBACK")
        await become(connection, locked, "succeeded", within=10)
    assert row(connection, "SELECT count(*) FROM pgqueue.jobs")["count"] == 2
