"""When a part of a worker lags or fails, the others go on, or the worker ends and says why."""

import asyncio

import pytest

from pgqueue import PgQueue
from pgqueue.events import Trouble
from tests.support.jobs import Connection, state
from tests.support.working import Events, all_ended, become, parts, soon, working


async def test_a_worker_does_not_outlive_its_heart(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be up, and idle, and lose all that it runs."""

    @app.task
    async def t() -> None: ...

    def broken() -> list[tuple[int, int]]:
        raise RuntimeError("the heart broke")

    worker = working(app)
    running = asyncio.create_task(worker.run())
    await become(connection, t.enqueue(connection), "succeeded")
    monkeypatch.setattr(parts(worker).heart, "_held", broken)
    with pytest.raises(RuntimeError, match="the heart broke"):
        await asyncio.wait_for(running, 20)


async def test_a_chore_that_fails_keeps_no_other_from_its_turn(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def t() -> None: ...

    @app.task(max_attempts=1)
    async def fails() -> None:
        raise ValueError

    old = fails.enqueue(connection)
    async with working(app):
        await become(connection, old, "dead")
    connection.execute("UPDATE pgqueue.job_dead SET finished_at = now() - interval '1 year'")
    connection.execute("DROP FUNCTION pgqueue.rescue")
    async with working(app):
        await soon(lambda: any("rescue" in trouble.where for trouble in events.of(Trouble)))
        await become(connection, t.using(delay=0.3).enqueue(connection), "succeeded")
        await soon(lambda: state(connection, old.id) is None, what="the old job is pruned")


async def test_pending_outcomes_do_not_stop_the_feeding_for_good(
    app: PgQueue,
    connection: Connection,
    other: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pgqueue.worker.feeder.MOST_UNWRITTEN", 5)

    @app.task
    async def t() -> None: ...

    first = [t.enqueue(connection) for _ in range(40)]
    other.execute("BEGIN")
    other.execute("LOCK TABLE pgqueue.job_done IN ACCESS EXCLUSIVE MODE")
    async with working(app, concurrency=4) as worker:
        await soon(lambda: parts(worker).finisher.pending >= 5)
        await soon(lambda: parts(worker).slots.idle)
        other.execute("ROLLBACK")
        for enqueued in first:
            await become(connection, enqueued, "succeeded", within=20)
    await all_ended(connection)
