"""Failed attempts are retried as the policy says, and remembered; the dead can be retried."""

from datetime import timedelta
from typing import Any

import pytest

from pgqueue import (
    Cancel,
    Exponential,
    Fixed,
    JobFailed,
    PerError,
    PgQueue,
    Retry,
    Snooze,
    current_job,
)
from pgqueue.events import JobFinished
from pgqueue.outcome import Cancelled, Dead, Retrying, Snoozed
from tests.support.jobs import Connection, existing_job, row, rows, value
from tests.support.working import Events, all_ended, become, soon, working

AT_ONCE = Fixed(timedelta(0))


async def test_retried_until_it_succeeds(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task(retry=AT_ONCE)
    async def flaky() -> int:
        attempt = current_job().attempt
        if attempt < 3:
            raise ValueError(f"attempt {attempt}")
        return attempt

    enqueued = flaky.enqueue(connection)
    async with working(app):
        assert await enqueued.wait_async(20) == 3
    failures = rows(
        connection,
        "SELECT attempt, error_type, message FROM pgqueue.failures "
        "WHERE job_id = %s ORDER BY attempt",
        enqueued.id,
    )
    assert failures == [
        {"attempt": 1, "error_type": "ValueError", "message": "attempt 1"},
        {"attempt": 2, "error_type": "ValueError", "message": "attempt 2"},
    ]
    outcomes = [type(event.outcome).__name__ for event in events.of(JobFinished)]
    assert outcomes == ["Retrying", "Retrying", "Succeeded"]


async def test_the_default_policy_waits(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def fails() -> None:
        raise ValueError

    enqueued = fails.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "retrying")
    ahead = value(connection, "SELECT extract(epoch FROM run_at - now()) FROM pgqueue.job")
    assert 0 < ahead <= 2.4


@pytest.mark.parametrize(
    ("policy", "least", "most"),
    [
        (Fixed(timedelta(hours=1)), 3500, 3600),
        (Exponential(first=timedelta(hours=2), cap=timedelta(hours=3), jitter=0), 7100, 7200),
        (PerError({ValueError: Fixed(timedelta(hours=1))}, otherwise=None), 3500, 3600),
        (lambda attempt, error: timedelta(hours=attempt), 3500, 3600),
        (lambda attempt, error: timedelta(hours=-1), -60, 0),
    ],
)
async def test_the_policy_of_the_task(
    app: PgQueue, connection: Connection, policy: Any, least: int, most: int
) -> None:
    @app.task(retry=policy, max_attempts=2)
    async def fails() -> None:
        if current_job().attempt == 1:
            raise ValueError
        raise KeyError

    enqueued = fails.enqueue(connection)
    async with working(app):
        if least > 0:
            await become(connection, enqueued, "retrying")
            query = "SELECT extract(epoch FROM run_at - now()) FROM pgqueue.job"
            assert least < value(connection, query) <= most
            enqueued.retry(connection)
        await become(connection, enqueued, "dead")


async def test_a_policy_that_gives_up(app: PgQueue, connection: Connection) -> None:
    @app.task(retry=PerError({ValueError: None}))
    async def fails() -> None:
        raise ValueError("for good")

    enqueued = fails.enqueue(connection)
    async with working(app):
        with pytest.raises(JobFailed, match="ValueError: for good"):
            await enqueued.wait_async(20)
    assert existing_job(connection, enqueued.id)["attempt"] == 1


@pytest.mark.parametrize("broken", [lambda a, e: 1 / 0, lambda a, e: "soon"])
async def test_a_broken_policy_costs_only_its_job(
    app: PgQueue, connection: Connection, broken: Any
) -> None:
    @app.task(retry=broken)
    async def fails() -> None:
        raise ValueError("the first error")

    @app.task
    async def good() -> None: ...

    enqueued, after = fails.enqueue(connection), good.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "dead")
        await become(connection, after, "succeeded")
    assert (
        "the first error" in row(connection, "SELECT traceback FROM pgqueue.failures")["traceback"]
    )


async def test_dead_with_its_history_then_retried_under_the_same_id(
    app: PgQueue, connection: Connection
) -> None:
    mended = False

    @app.task(retry=AT_ONCE, max_attempts=3)
    async def broken() -> str:
        if not mended:
            raise RuntimeError("not yet")
        return "done"

    enqueued = broken.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "dead")
        history = rows(
            connection, "SELECT attempt, traceback FROM pgqueue.failures ORDER BY attempt"
        )
        assert [failure["attempt"] for failure in history] == [1, 2, 3]
        assert all("not yet" in failure["traceback"] for failure in history)
        assert existing_job(connection, enqueued.id)["reason"] == "RuntimeError: not yet"
        mended = True
        assert enqueued.retry(connection)
        assert await enqueued.wait_async(20) == "done"
    assert value(connection, "SELECT count(*) FROM pgqueue.failures") == 3
    assert value(connection, "SELECT count(*) FROM pgqueue.job_dead") == 0


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_signals(app: PgQueue, connection: Connection, events: Events, kind: str) -> None:
    def act() -> None:
        running = current_job()
        match running.meta["signal"]:
            case "retry" if running.attempt == 1:
                raise Retry("later", after=0.05)
            case "snooze" if not running.checkpoint:
                running.progress(0, checkpoint={"snoozed": True})
                raise Snooze(seconds=0.05)
            case "cancel":
                raise Cancel("not wanted")

    if kind == "loop":

        @app.task
        async def signals() -> None:
            act()

    else:

        @app.task(name="signals")
        def signals() -> None:
            act()

    retry, snooze, cancel = (
        signals.using(meta={"signal": name}).enqueue(connection)
        for name in ("retry", "snooze", "cancel")
    )
    async with working(app):
        await become(connection, retry, "succeeded")
        await become(connection, snooze, "succeeded")
        await become(connection, cancel, "cancelled")
    assert existing_job(connection, retry.id)["attempt"] == 2
    assert existing_job(connection, snooze.id)["attempt"] == 1
    assert existing_job(connection, cancel.id)["reason"] == "not wanted"
    failed = rows(connection, "SELECT job_id, message FROM pgqueue.failures")
    assert failed == [{"job_id": retry.id, "message": "later"}]
    kinds = {type(event.outcome) for event in events.of(JobFinished)}
    assert {Retrying, Snoozed, Cancelled} < kinds


async def test_retry_has_an_end(app: PgQueue, connection: Connection, events: Events) -> None:
    @app.task(max_attempts=2)
    async def again() -> None:
        raise Retry(after=0)

    enqueued = again.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "dead")
    assert [type(event.outcome) for event in events.of(JobFinished)] == [Retrying, Dead]


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_a_checkpoint_survives_to_the_next_attempt(
    app: PgQueue, connection: Connection, kind: str
) -> None:
    def work() -> list[int]:
        running = current_job()
        done: list[int] = running.checkpoint.get("done", [])
        running.progress(len(done) + 1, 3, checkpoint={"done": [*done, running.attempt]})
        if len(done) < 2:
            raise ValueError("crash")
        return running.checkpoint["done"]  # type: ignore[no-any-return]  # what was put in

    if kind == "loop":

        @app.task(retry=AT_ONCE)
        async def steps() -> list[int]:
            return work()

    else:

        @app.task(name="steps", retry=AT_ONCE)
        def steps() -> list[int]:
            return work()

    enqueued = steps.enqueue(connection)
    async with working(app):
        assert await enqueued.wait_async(20) == [1, 2, 3]
    progress = existing_job(connection, enqueued.id)["progress"]
    assert (progress["done"], progress["total"]) == (3, 3)


async def test_progress_is_seen_while_the_job_runs(app: PgQueue, connection: Connection) -> None:
    import asyncio

    go_on = asyncio.Event()

    @app.task
    async def slow() -> None:
        for step in range(100):
            current_job().progress(step, 100)
        await go_on.wait()

    enqueued = slow.enqueue(connection)
    async with working(app):
        shown = "SELECT progress ->> 'done' FROM pgqueue.jobs WHERE state = 'running'"
        await soon(lambda: rows(connection, shown) == [{"?column?": "99"}])
        go_on.set()
        await become(connection, enqueued, "succeeded")


async def test_a_hundred_failures_at_once(app: PgQueue, connection: Connection) -> None:
    @app.task(retry=AT_ONCE, max_attempts=2)
    def fails() -> None:
        raise ValueError

    app.enqueue_many(connection, [fails.job() for _ in range(100)])
    async with working(app):
        await all_ended(connection)
    assert value(connection, "SELECT count(*) FROM pgqueue.failures") == 200
    assert value(connection, "SELECT count(*) FROM pgqueue.dead_jobs") == 100
