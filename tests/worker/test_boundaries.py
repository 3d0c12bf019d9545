"""Whatever one job does or is, it costs that job only."""

import asyncio
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.events import UnknownTaskSeen
from tests.support.jobs import Connection, enqueue, existing_job, rows, value
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
    assert existing_job(connection, id)["attempt"] == 1  # looking cost nothing
