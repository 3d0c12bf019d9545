"""Jobs run where their task says, and end with its result."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgqueue import NotInJob, PgQueue, RunningJob, SchemaMissing, current_job
from pgqueue.events import WorkerStarted, WorkerStopped
from tests.support.jobs import Connection, enqueue, existing_job, value
from tests.support.working import Events, all_ended, asleep, become, soon, working


async def test_async_on_the_loop_and_plain_in_threads(app: PgQueue, connection: Connection) -> None:
    main = threading.get_ident()

    @app.task
    async def on_loop(a: int, *, b: str) -> list[Any]:
        return [a, b, threading.get_ident() == main]

    @app.task
    def in_thread(a: int) -> list[Any]:
        return [a, threading.get_ident() == main]

    first, second = on_loop.enqueue(connection, 1, b="x"), in_thread.enqueue(connection, 2)
    async with working(app):
        assert await first.wait_async(20) == [1, "x", True]
        assert await second.wait_async(20) == [2, False]
    assert value(connection, "SELECT count(*) FROM pgqueue.worker") == 0


async def test_a_job_without_a_result(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def nothing() -> None: ...

    waiting = nothing.enqueue(connection)
    async with working(app):
        assert await waiting.wait_async(20) is None
    assert existing_job(connection, waiting.id)["result"] is None


async def test_the_running_job_knows_itself(app: PgQueue, connection: Connection) -> None:
    seen: list[RunningJob] = []
    before = datetime.now(UTC)

    @app.task(timeout=60)
    async def look() -> None:
        seen.append(current_job())

    enqueued = look.using(
        priority=3, tags=["a", "b"], meta={"tenant": 7}, max_attempts=1, queue="other"
    ).enqueue(connection)
    async with working(app, queues={"other": None}):
        await become(connection, enqueued, "succeeded")
    (running,) = seen
    assert (running.id, running.task, running.queue) == (enqueued.id, "look", "other")
    assert (running.attempt, running.max_attempts, running.is_last_attempt) == (1, 1, True)
    assert (running.priority, list(running.tags), running.meta) == (3, ["a", "b"], {"tenant": 7})
    assert running.timeout == timedelta(seconds=60)
    assert running.deadline is not None
    assert running.deadline > before
    assert running.run_at is not None
    assert running.waited >= 0
    assert running.checkpoint == {}
    assert not running.cancel_requested
    assert repr(running) == f"RunningJob(#{running.id} look, attempt 1 of 1)"
    assert running.logger.extra == {
        "job_id": running.id, "task": "look", "queue": "other", "attempt": 1,
    }  # fmt: skip


async def test_outside_of_a_job_there_is_none() -> None:
    with pytest.raises(NotInJob, match="where no job runs"):
        current_job()


async def test_an_own_thread_knows_no_job(app: PgQueue, connection: Connection) -> None:
    @app.task
    def start_thread() -> str:
        errors: list[BaseException] = []

        def ask() -> None:
            try:
                current_job()
            except NotInJob as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return str(errors[0])

    enqueued = start_thread.enqueue(connection)
    async with working(app):
        assert "must be given the job" in await enqueued.wait_async(20)


async def test_higher_priorities_run_first(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def t() -> None: ...

    by_priority = {
        priority: t.using(priority=priority).enqueue(connection).id
        for priority in (0, -10, 5, 10, -1)
    }
    async with working(app, concurrency=1, once=True):
        await all_ended(connection)
    assert events.started() == [by_priority[p] for p in (10, 5, 0, -1, -10)]


async def test_first_come_first_served(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def t() -> None: ...

    ids = [found.id for found in app.enqueue_many(connection, [t.job() for _ in range(300)])]
    async with working(app, concurrency=1):
        await all_ended(connection)
    assert events.started() == ids


async def test_scheduled_jobs_run_when_due_and_not_before(
    app: PgQueue, connection: Connection
) -> None:
    @app.task
    async def t() -> None: ...

    later = [t.using(delay=seconds).enqueue(connection) for seconds in (0.2, 0.5, 0.8)]
    never = t.using(delay=3600).enqueue(connection)
    past = t.using(run_at=datetime.now(UTC) - timedelta(days=1)).enqueue(connection)
    async with working(app):
        for scheduled in (*later, past):
            await become(connection, scheduled, "succeeded")
    early = "SELECT count(*) FROM pgqueue.jobs WHERE started_at < run_at"
    assert value(connection, early) == 0
    assert never.state(connection) == "scheduled"


async def test_a_sleeping_worker_hears_of_scheduled_jobs(
    app: PgQueue, connection: Connection
) -> None:
    @app.task
    async def t() -> None: ...

    async with working(app, poll=60.0) as worker:
        await soon(lambda: asleep(worker))
        scheduled = t.using(delay=0.3).enqueue(connection)
        await become(connection, scheduled, "succeeded", within=10)


async def test_run_now_what_was_scheduled(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def t() -> None: ...

    scheduled = t.using(delay=3600).enqueue(connection)
    async with working(app):
        assert scheduled.retry(connection)
        await become(connection, scheduled, "succeeded")


async def test_an_alias_runs_the_renamed_task(app: PgQueue, connection: Connection) -> None:
    @app.task(name="new_name", aliases=["old_name"])
    async def renamed(a: int) -> int:
        return a

    id = enqueue(connection, "old_name", args={"a": 3})
    async with working(app):
        assert await app.job(id).wait_async(20) == 3


async def test_once_runs_what_is_due_and_ends(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def grow(n: int) -> None:
        await asyncio.sleep(0.05)
        if n:
            grow.enqueue(connection, n - 1)

    grow.enqueue(connection, 5)
    future = grow.using(delay=3600).enqueue(connection, 0)
    await asyncio.wait_for(working(app, once=True, poll=60.0).run(), 30)
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == 6
    assert future.state(connection) == "scheduled"


async def test_max_jobs(app: PgQueue, connection: Connection, events: Events) -> None:
    @app.task
    async def t() -> None: ...

    app.enqueue_many(connection, [t.job() for _ in range(20)])
    await asyncio.wait_for(working(app, max_jobs=7).run(), 30)
    assert len(events.finished()) == 7
    assert value(connection, "SELECT count(*) FROM pgqueue.job WHERE attempt = 0") == 13


async def test_max_jobs_are_run_although_they_were_claimed_ahead(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def t() -> None: ...

    app.enqueue_many(connection, [t.job() for _ in range(1_000)])
    await asyncio.wait_for(working(app, max_jobs=800).run(), 30)
    assert len(events.finished()) == 800
    assert value(connection, "SELECT count(*) FROM pgqueue.job WHERE attempt = 0") == 200


async def test_max_idle(app: PgQueue, connection: Connection, events: Events) -> None:
    @app.task
    async def t() -> None: ...

    t.enqueue(connection)
    await asyncio.wait_for(working(app, max_idle=0.3, poll=60.0).run(), 30)
    assert len(events.finished()) == 1


async def test_max_rss_stops_a_worker_that_grew(app: PgQueue, connection: Connection) -> None:
    await asyncio.wait_for(working(app, max_rss_mb=1).run(), 30)


async def test_the_worker_tells_what_it_is_and_what_it_did(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def good() -> None: ...

    @app.task(max_attempts=1)
    async def bad() -> None:
        raise ValueError

    good.enqueue(connection)
    bad.enqueue(connection)
    async with working(app, name="alpha", concurrency=3) as worker:
        await all_ended(connection)
        (row,) = connection.execute(
            "SELECT name, concurrency, tasks FROM pgqueue.worker"
        ).fetchall()
        assert row == ("alpha", 3, ["bad", "good"])
    (started,) = events.of(WorkerStarted)
    assert (started.worker, started.queues, started.tasks) == (
        "alpha", ("default",), ("bad", "good"),
    )  # fmt: skip
    (stopped,) = events.of(WorkerStopped)
    assert (stopped.succeeded, stopped.dead, stopped.released) == (1, 1, 0)
    assert worker.leftover == 0


async def test_a_database_without_pgqueue_is_told_of_with_the_cure(empty_dsn: str) -> None:
    app = PgQueue(empty_dsn)
    with pytest.raises(SchemaMissing, match="pgqueue migrate"):
        async with working(app):
            raise AssertionError("the worker started")
