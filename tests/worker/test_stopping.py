"""Timeouts, cancels and shutdown: attempts end when they should, and nothing is lost by it."""

import asyncio
import threading
import time

import pytest

from pgqueue import PgQueue, current_job
from pgqueue.events import Event, JobsReleased, JobStarted, LeaseWasLost, WorkerDraining
from tests.support.jobs import Connection, existing_job, expire, rows, value
from tests.support.working import Events, become, parts, soon, working


async def test_timeout_on_the_loop(app: PgQueue, connection: Connection) -> None:
    @app.task(timeout=0.1, max_attempts=1)
    async def slow() -> None:
        await asyncio.sleep(3600)

    enqueued = slow.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "dead")
    assert "TaskTimeout" in existing_job(connection, enqueued.id)["reason"]
    assert "timeout of 0.1 s" in existing_job(connection, enqueued.id)["reason"]


async def test_the_job_s_timeout_comes_before_the_task_s(
    app: PgQueue, connection: Connection
) -> None:
    @app.task(timeout=3600, max_attempts=1)
    async def slow() -> None:
        await asyncio.sleep(7200)

    enqueued = slow.using(timeout=0.1).enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "dead")


async def test_a_timeout_error_of_the_handler_is_its_own(
    app: PgQueue, connection: Connection
) -> None:
    @app.task(timeout=20, max_attempts=1)
    async def fails() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(1)

    enqueued = fails.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "dead")
    assert existing_job(connection, enqueued.id)["reason"].startswith("TimeoutError")


async def test_a_stuck_thread_is_counted_until_it_ends(
    app: PgQueue, connection: Connection
) -> None:
    let_go, saw = threading.Event(), threading.Event()

    @app.task(timeout=0.1, max_attempts=1)
    def stuck() -> None:
        let_go.wait(20)
        if current_job().cancel_requested:
            saw.set()

    @app.task
    async def quick() -> None: ...

    enqueued = stuck.enqueue(connection)
    async with working(app, concurrency=1) as worker:
        await become(connection, enqueued, "dead")
        assert parts(worker).threads.stuck == 1
        waiting = quick.enqueue(connection)
        let_go.set()
        await become(connection, waiting, "succeeded")
        assert parts(worker).threads.stuck == 0
    assert saw.is_set()
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == 1


async def test_cancelled_before_it_ran(app: PgQueue, connection: Connection) -> None:
    ran: list[int] = []

    @app.task
    async def t() -> None:
        ran.append(current_job().id)

    queued, scheduled = t.enqueue(connection), t.using(delay=3600).enqueue(connection)
    good = t.enqueue(connection)
    assert queued.cancel(connection, reason="a mistake")
    assert scheduled.cancel(connection)
    async with working(app):
        await become(connection, good, "succeeded")
    assert ran == [good.id]
    assert existing_job(connection, queued.id)["reason"] == "a mistake"
    assert not good.cancel(connection)


async def test_cancelling_a_running_coroutine(app: PgQueue, connection: Connection) -> None:
    cleaned: list[bool] = []

    @app.task
    async def slow() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cleaned.append(current_job().cancel_requested)

    enqueued = slow.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "running")
        assert enqueued.cancel(connection, reason="not needed")
        await become(connection, enqueued, "cancelled")
    assert cleaned == [True]
    assert existing_job(connection, enqueued.id)["reason"] == "not needed"
    assert rows(connection, "SELECT * FROM pgqueue.failures") == []


async def test_cancelled_before_its_first_step(app: PgQueue, connection: Connection) -> None:
    """The task exists and has not run yet: it must come to an end that is written down."""

    @app.task
    async def slow() -> None:
        await asyncio.sleep(3600)

    @app.task
    async def quick() -> None: ...

    def cancel(event: Event) -> None:
        if isinstance(event, JobStarted) and event.task == "slow":
            enqueued.cancel(connection)
            slots = parts(worker).slots
            ((id, lease),) = slots.leases()
            asyncio.get_running_loop().call_soon(slots.stop_job, id, lease, "cancel", None)

    app.observer(cancel)
    worker = working(app, concurrency=1, prefetch=0)
    async with worker:
        enqueued = slow.enqueue(connection)
        await become(connection, enqueued, "cancelled")
        await soon(lambda: parts(worker).slots.idle)
        await become(connection, quick.enqueue(connection), "succeeded")


async def test_cancelling_a_running_thread(app: PgQueue, connection: Connection) -> None:
    @app.task
    def obeys() -> None:
        while True:
            current_job().raise_if_cancelled()
            time.sleep(0.01)

    go_on = threading.Event()

    @app.task
    def ignores() -> None:
        go_on.wait(20)

    obeying, ignoring = obeys.enqueue(connection), ignores.enqueue(connection)
    async with working(app):
        await become(connection, obeying, "running")
        await become(connection, ignoring, "running")
        obeying.cancel(connection)
        ignoring.cancel(connection)
        await become(connection, obeying, "cancelled")
        assert value(connection, "SELECT cancel_requested_at FROM pgqueue.job") is not None
        go_on.set()
        await become(connection, ignoring, "succeeded")


async def test_a_cancelled_job_that_fails_is_not_retried(
    app: PgQueue, connection: Connection
) -> None:
    go_on = threading.Event()

    @app.task
    def fails() -> None:
        go_on.wait(20)
        raise ValueError

    enqueued = fails.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "running")
        enqueued.cancel(connection)
        go_on.set()
        await become(connection, enqueued, "cancelled")


async def test_cancelling_what_waits_for_a_slot(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.feeder.Feeder._prefetch", lambda self: 10)
    ran: list[int] = []
    go_on = asyncio.Event()

    @app.task
    async def t() -> None:
        ran.append(current_job().id)
        await go_on.wait()

    first, second, third = (t.enqueue(connection) for _ in range(3))
    async with working(app, concurrency=1):
        await become(connection, third, "running")
        second.cancel(connection)
        await become(connection, second, "cancelled")
        go_on.set()
        await become(connection, third, "succeeded")
    assert ran == [first.id, third.id]


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_what_does_not_end_in_time_is_released_without_cost(
    app: PgQueue, connection: Connection, events: Events, kind: str
) -> None:
    let_go = threading.Event()

    if kind == "loop":

        @app.task
        async def slow() -> None:
            await asyncio.sleep(3600)

    else:

        @app.task(name="slow")
        def slow() -> None:
            current_job().progress(1, checkpoint={"kept": True})
            while not let_go.wait(0.01):
                current_job().raise_if_cancelled()

    running, waiting = slow.enqueue(connection), slow.enqueue(connection)
    async with working(app, concurrency=1, grace=0.1):
        await become(connection, running, "running")
    let_go.set()
    for enqueued in (running, waiting):
        found = existing_job(connection, enqueued.id)
        assert (found["state"], found["attempt"]) == ("queued", 0)
    assert rows(connection, "SELECT * FROM pgqueue.failures") == []
    assert [event.count for event in events.of(JobsReleased)] == [1]
    if kind == "thread":
        progress = existing_job(connection, running.id)["progress"]
        assert progress["checkpoint"] == {"kept": True}


async def test_running_jobs_get_the_grace_time(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def slow() -> str:
        await asyncio.sleep(0.3)
        return "done"

    enqueued = slow.enqueue(connection)
    async with working(app):
        await become(connection, enqueued, "running")
    assert existing_job(connection, enqueued.id)["result"] == "done"


async def test_a_second_stop_hurries(app: PgQueue, connection: Connection, events: Events) -> None:
    @app.task
    async def slow() -> None:
        await asyncio.sleep(3600)

    enqueued = slow.enqueue(connection)
    async with working(app, grace=3600.0) as worker:
        await become(connection, enqueued, "running")
        worker.stop()
        await soon(lambda: events.of(WorkerDraining))
        draining = "SELECT draining_at FROM pgqueue.worker"
        await soon(lambda: value(connection, draining) is not None)
        worker.stop()
    assert existing_job(connection, enqueued.id)["state"] == "queued"


async def test_a_worker_that_was_rescued_claims_again(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    """It loses what it ran, registers anew, and the loser's outcome is refused."""
    runs: list[int] = []
    go_on = asyncio.Event()

    @app.task
    async def t() -> int:
        runs.append(current_job().attempt)
        if len(runs) == 1:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await go_on.wait()
                return -1
        return current_job().attempt

    enqueued = t.enqueue(connection)
    async with working(app, heartbeat=0.5, lease=20.0) as worker:
        await become(connection, enqueued, "running")
        expire(connection, parts(worker).heart.worker_id)
        connection.execute("SELECT pgqueue.rescue()")
        await become(connection, enqueued, "succeeded")
        go_on.set()
        await soon(lambda: parts(worker).slots.running == 0)
        after = t.enqueue(connection)
        await become(connection, after, "succeeded")
    assert existing_job(connection, enqueued.id)["result"] == 2
    assert [event.job_id for event in events.of(LeaseWasLost)] == [enqueued.id]
