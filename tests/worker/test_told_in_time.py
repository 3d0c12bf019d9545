"""What could be slept past: places that were passed, jobs that fall due, bells that are let go."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.database.link import Link
from pgqueue.worker.claimer import Claimer
from tests.support.jobs import Connection, enqueue, register
from tests.support.working import all_ended, asleep, become, bell_holders, soon, working

NEVER = 60.0
"""Longer than any test lives."""


@pytest.fixture
async def claimer(connection: Connection, dsn: str) -> AsyncIterator[Claimer]:
    """A claimer of the queue "default", on a connection of its own."""
    link = Link(dsn, "claimer", report=lambda *_: None)
    worker = register(connection)
    yield Claimer(link, ["default"], lambda: worker)
    await link.drop()


async def test_a_claim_that_finds_one_job_tells_that_another_may_stand_behind_it(
    connection: Connection,
    other: Connection,
    claimer: Claimer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The feeder would go to sleep, since all that was asked for did not come."""
    monkeypatch.setattr("pgqueue.worker.watermark.PATIENCE", 0.0)
    monkeypatch.setattr("pgqueue.worker.watermark.FULL_SCAN", 3600.0)
    with other.transaction():
        late = enqueue(other)
        connection.execute("SELECT pg_current_xact_id()")  # a later transaction that is over
        for _ in range(2):
            assert await claimer.claim("default", 10) == []
        assert not claimer.looks_back("default")
    prompt = enqueue(connection)
    assert [claim.id for claim in await claimer.claim("default", 10)] == [prompt]
    assert claimer.looks_back("default")
    assert [claim.id for claim in await claimer.claim("default", 10)] == [late]
    assert not claimer.looks_back("default")


async def test_a_paused_queue_gives_no_reason_to_look_back(
    connection: Connection, claimer: Claimer
) -> None:
    connection.execute("SELECT pgqueue.pause_queue('default')")
    assert await claimer.claim("default", 10) == []
    assert not claimer.looks_back("default")
    connection.execute("SELECT pgqueue.resume_queue('default')")
    id = enqueue(connection)
    assert [claim.id for claim in await claimer.claim("default", 10)] == [id]


async def test_jobs_scheduled_while_nobody_had_the_bells_fall_due_in_time(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody rings for them, and the janitor has just gone to sleep for long."""
    for name in ("LONGEST_SLEEP", "AWAKE_SLEEP"):
        monkeypatch.setattr(f"pgqueue.worker.janitor.{name}", NEVER)
    go_on = asyncio.Event()

    @app.task
    async def holds_the_slot() -> None:
        await go_on.wait()

    @app.task
    async def t() -> None: ...

    async with working(app, concurrency=1, poll=NEVER, heartbeat=20.0, lease=NEVER) as worker:
        await soon(lambda: asleep(worker))
        holds_the_slot.enqueue(connection)
        await soon(lambda: not asleep(worker), what="the bells are handed on")
        scheduled = t.using(delay=0.5).enqueue(connection)
        go_on.set()
        await become(connection, scheduled, "succeeded", within=15)


async def test_who_stops_lets_go_of_the_bells_at_once(app: PgQueue, connection: Connection) -> None:
    """Nobody is to ring for a worker that looks no more, however long its last job takes."""
    running, go_on = asyncio.Event(), asyncio.Event()

    @app.task
    async def t() -> None:
        running.set()
        await go_on.wait()

    async with working(app, poll=NEVER) as worker:
        await soon(lambda: asleep(worker))
        t.enqueue(connection)
        await running.wait()
        assert bell_holders(connection)
        worker.stop()
        await soon(lambda: not bell_holders(connection), what="the bells are free")
        go_on.set()
    await all_ended(connection)


async def test_a_thread_that_cannot_be_started_costs_its_job_one_attempt_and_no_second_run(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refused = threading.Thread.start, 0
    runs: list[Any] = []

    def refusing(thread: threading.Thread) -> None:
        nonlocal refused
        if thread.name == "pgqueue-job" and refused < 2:
            refused += 1
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing)

    @app.task(retry=lambda attempt, error: timedelta(0))
    def t(number: int) -> None:
        runs.append(number)

    async with working(app, concurrency=2):
        for number in range(4):
            t.enqueue(connection, number)
        await all_ended(connection)
    assert refused == 2
    assert sorted(runs) == [0, 1, 2, 3]
