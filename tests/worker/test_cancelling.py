"""Cancelling what runs: one heartbeat after the cancel is committed it is told to stop.

The workers here beat once a minute, unless the test has them beat.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Worker, current_job
from pgqueue.events import JobFinished, LeaseWasLost
from pgqueue.outcome import Cancelled, Succeeded
from pgqueue.worker.children import Child
from tests.support.jobs import Connection, existing_job, rows, value
from tests.support.working import Events, become, parts, soon, working
from tests.worker import process_tasks as tasks

SEEN = "SELECT seen_at FROM pgqueue.worker"
RARELY: dict[str, Any] = {"heartbeat": 60.0, "lease": 180.0}


def beat(worker: Worker) -> None:
    """One heartbeat, now."""
    parts(worker).heart.beat()


@pytest.fixture
async def children(dsn: str) -> AsyncIterator[PgQueue]:
    """The application whose tasks run in child processes."""
    tasks.app.configure(dsn=dsn)
    yield tasks.app
    await tasks.app.close_async()
    tasks.app.close()
    tasks.app._observers.clear()


@pytest.mark.parametrize("where", ["loop", "thread"])
async def test_one_heartbeat_is_enough(
    app: PgQueue, connection: Connection, events: Events, where: str
) -> None:
    if where == "loop":

        @app.task
        async def goes_on() -> None:
            await asyncio.sleep(3600)

    else:

        @app.task(name="goes_on")
        def goes_on() -> None:
            while True:
                current_job().raise_if_cancelled()
                time.sleep(0.01)

    job = goes_on.enqueue(connection)
    async with working(app, **RARELY) as worker:
        await become(connection, job, "running")
        await soon(lambda: parts(worker).slots.running)
        job.cancel(connection, reason="not needed")
        beat(worker)
        await become(connection, job, "cancelled")
    assert existing_job(connection, job.id)["reason"] == "not needed"
    assert [type(event.outcome) for event in events.of(JobFinished)] == [Cancelled]
    assert rows(connection, "SELECT FROM pgqueue.failures") == []


async def test_one_heartbeat_kills_a_child_process(
    children: PgQueue, connection: Connection, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    job = tasks.sleeps.enqueue(connection, 600, str(mark))
    async with working(children, children=1, **RARELY) as worker:
        await soon(mark.exists)
        job.cancel(connection, reason="not needed")
        beat(worker)
        await become(connection, job, "cancelled")
        pid = int(mark.read_text())
        await soon(lambda: _is_gone(pid), what="the child is gone")
        after = tasks.pid_of.enqueue(connection, 1)
        assert (await after.wait_async(30))[1] != pid
    assert existing_job(connection, job.id)["reason"] == "not needed"
    assert rows(connection, "SELECT FROM pgqueue.failures") == []


def _is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "\nState:\tZ" in status.read_text()


async def test_a_thread_hears_of_it_while_the_loop_is_blocked(
    app: PgQueue, connection: Connection, dsn: str
) -> None:
    heard = threading.Event()

    @app.task
    def listens() -> None:
        while not current_job().cancel_requested:
            time.sleep(0.01)
        heard.set()
        current_job().raise_if_cancelled()

    @app.task
    async def blocks(listener: int) -> bool:
        with psycopg.connect(dsn, autocommit=True) as own:
            app.job(listener).cancel(own)
        beat(worker)
        return heard.wait(20)

    worker = working(app, **RARELY)
    async with worker:
        listening = listens.enqueue(connection)
        await soon(lambda: parts(worker).slots.running)
        blocking = blocks.enqueue(connection, listening.id)
        assert await blocking.wait_async(30) is True
        await become(connection, listening, "cancelled")


async def test_a_handler_that_blocks_the_loop_can_look_itself(
    app: PgQueue, connection: Connection, dsn: str
) -> None:
    @app.task
    async def blocks() -> None:
        job = current_job()
        with psycopg.connect(dsn, autocommit=True) as own:
            app.job(job.id).cancel(own)
        beat(worker)
        for _ in range(2_000):
            job.raise_if_cancelled()
            time.sleep(0.01)

    worker = working(app, **RARELY)
    async with worker:
        await become(connection, blocks.enqueue(connection), "cancelled")


async def test_a_child_is_killed_while_the_loop_is_blocked(
    children: PgQueue, connection: Connection, dsn: str, tmp_path: Path
) -> None:
    """The loop is blocked by an observer here, who is told that another job has started."""
    mark, found = tmp_path / "pid", []

    def block(event: object) -> None:
        if getattr(event, "task", "") == "here" and not found:
            with psycopg.connect(dsn, autocommit=True) as own:
                job.cancel(own)
            beat(worker)
            pid, since = int(mark.read_text()), time.monotonic()
            while not _is_gone(pid) and time.monotonic() < since + 20:
                time.sleep(0.01)
            found.append(_is_gone(pid))

    children.observer(block)
    worker = working(children, children=1, **RARELY)
    async with worker:
        job = tasks.sleeps.enqueue(connection, 600, str(mark))
        await soon(lambda: mark.exists() and mark.read_text())
        await tasks.here.enqueue(connection).wait_async(30)
        await become(connection, job, "cancelled")
    assert found == [True]
    assert rows(connection, "SELECT FROM pgqueue.failures") == []


async def test_a_child_that_was_killed_as_it_ended_runs_nothing_more(
    children: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Child.ask

    def ask_and_be_killed(child: Child, assignment: Any, progress: Any) -> Any:
        answer = ask(child, assignment, progress)
        if assignment.id == first.id:
            (attempt,) = parts(worker).slots._attempts.values()
            parts(worker)._children.kill_running(attempt.job)
        return answer

    monkeypatch.setattr(Child, "ask", ask_and_be_killed)
    first = tasks.pid_of.using(max_attempts=1).enqueue(connection, 1)
    worker = working(children, children=1, **RARELY)
    async with worker:
        await first.wait_async(30)
        second = tasks.pid_of.using(max_attempts=1).enqueue(connection, 2)
        await second.wait_async(30)


async def test_who_completes_first_has_succeeded(
    app: PgQueue, connection: Connection, events: Events, dsn: str
) -> None:
    """Its lease went with its own commit: what the handler still has to do is not cut off."""
    go_on = asyncio.Event()

    @app.task
    async def completes() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as own:
            await current_job().complete(own)
        await go_on.wait()
        assert not current_job().cancel_requested

    job = completes.enqueue(connection)
    async with working(app, **RARELY) as worker:
        await become(connection, job, "succeeded")
        assert job.cancel(connection) is False
        for _ in range(2):
            await _beat_and_be_told(connection, worker)
        go_on.set()
        await soon(lambda: events.of(JobFinished))
    assert [type(event.outcome) for event in events.of(JobFinished)] == [Succeeded]
    assert events.of(LeaseWasLost) == []


async def _beat_and_be_told(connection: Connection, worker: Worker) -> None:
    """What the heart found out in this beat has reached the slots when the next one is over."""
    for _ in range(2):
        before = value(connection, SEEN)
        beat(worker)
        await soon(lambda before=before: value(connection, SEEN) > before)  # type: ignore[misc]


async def test_a_cancel_that_is_committed_first_refuses_no_completion(
    app: PgQueue, connection: Connection, dsn: str
) -> None:
    go_on, stopped = asyncio.Event(), asyncio.Event()

    @app.task
    async def completes() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            stopped.set()
            await go_on.wait()
            async with await psycopg.AsyncConnection.connect(dsn) as own:
                await current_job().complete(own)
            raise

    job = completes.enqueue(connection)
    async with working(app, **RARELY) as worker:
        await become(connection, job, "running")
        await soon(lambda: parts(worker).slots.running)
        job.cancel(connection)
        beat(worker)
        await stopped.wait()
        go_on.set()
        await become(connection, job, "succeeded")


async def test_who_cleans_up_for_long_is_told_once(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    """Later heartbeats do not interrupt it; and what it then returns is a success."""
    told: list[int] = []
    go_on = asyncio.Event()

    @app.task
    async def swallows() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            told.append(1)
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            told.append(2)
        return "finished all the same"

    job = swallows.enqueue(connection)
    async with working(app, **RARELY) as worker:
        await become(connection, job, "running")
        await soon(lambda: parts(worker).slots.running)
        job.cancel(connection)
        for _ in range(2):
            await _beat_and_be_told(connection, worker)
            await soon(lambda: told)
        go_on.set()
        assert await job.wait_async(20) == "finished all the same"
    assert told == [1]
    assert [type(event.outcome) for event in events.of(JobFinished)] == [Succeeded]


async def test_a_child_knows_its_deadline(children: PgQueue, connection: Connection) -> None:
    job = tasks.deadline.using(timeout=60).enqueue(connection)
    without = tasks.deadline.enqueue(connection)
    async with working(children, children=1):
        timeout, left = await job.wait_async(30)
        assert await without.wait_async(30) == [None, None]
    assert timeout == 60
    assert 0 < left <= 60
