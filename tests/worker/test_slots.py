"""Jobs that follow each other in one slot, hence in one task of the loop, know nothing of it."""

import asyncio
import contextvars
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.events import JobFinished
from pgqueue.outcome import Cancelled, Outcome, Retrying, Succeeded
from pgqueue.worker.feeder import Feeder
from tests.support.jobs import Connection, value
from tests.support.working import Events, become, soon, working

mark: contextvars.ContextVar[int] = contextvars.ContextVar("mark", default=0)


@pytest.fixture(autouse=True)
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are claimed far ahead, so that one hand takes them one after the other."""
    monkeypatch.setattr(Feeder, "_prefetch", lambda feeder: 500)


async def outcomes(
    app: PgQueue, connection: Connection, events: Events, jobs: list[Any]
) -> list[type[Outcome]]:
    """How these jobs end, in one slot, in their order."""
    ids = [found.id for found in app.enqueue_many(connection, jobs)]
    async with working(app, concurrency=1):
        await soon(lambda: len(events.of(JobFinished)) >= len(ids))
    assert events.started()[: len(ids)] == ids
    by_id = {event.job_id: type(event.outcome) for event in events.of(JobFinished)}
    return [by_id[id] for id in ids]


async def test_a_handler_that_cancels_its_task_costs_itself_only(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task(max_attempts=1)
    async def cancels(waits: bool) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if waits:
            await asyncio.sleep(3600)

    @app.task(max_attempts=1)
    async def good() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)

    jobs = []
    for waits in (True, False, False, True, True):
        jobs += [cancels.job(waits), good.job(), good.job()]
    found = await outcomes(app, connection, events, jobs)
    assert [kind for n, kind in enumerate(found) if n % 3] == [Succeeded] * 10
    assert found[::3][1] is found[::3][2] is Succeeded, "it was over before the cancellation came"
    assert Succeeded not in (found[0], found[9], found[12])
    assert value(connection, "SELECT count(*) FROM pgqueue.job") == 0


async def test_a_swallowed_cancellation_does_not_reach_the_next_job(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    cancelling: list[int] = []

    @app.task
    async def swallows() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    @app.task
    async def looks() -> None:
        task = asyncio.current_task()
        assert task is not None
        cancelling.append(task.cancelling())
        async with asyncio.timeout(3600):
            await asyncio.sleep(0.001)

    jobs = [swallows.job(), looks.job(), looks.job()] * 5
    assert await outcomes(app, connection, events, jobs) == [Succeeded] * 15
    assert cancelling == [0] * 10


async def test_a_job_that_somebody_cancels_costs_itself_only(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def waits() -> None:
        await asyncio.sleep(3600)

    @app.task
    async def good() -> None:
        await asyncio.sleep(0.001)

    async with working(app, concurrency=1):
        for _ in range(3):
            long = waits.enqueue(connection)
            after = [good.enqueue(connection) for _ in range(5)]
            await become(connection, long, "running")
            long.cancel(connection)
            for job in after:
                await become(connection, job, "succeeded")
            await become(connection, long, "cancelled")
    ended = [type(event.outcome) for event in events.of(JobFinished)]
    assert ended == ([Cancelled] + [Succeeded] * 5) * 3


async def test_timeouts_and_groups_of_handlers_in_a_row(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    """Both cancel the task that they run in, and take it back."""

    @app.task
    async def times_out() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(3600)
        except TimeoutError:
            return "late"
        return "in time"

    @app.task
    async def lets_it_out() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(3600)

    @app.task(timeout=0.01)
    async def too_slow() -> None:
        await asyncio.sleep(3600)

    @app.task
    async def group_fails() -> None:
        async def fails() -> None:
            raise ValueError

        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            group.create_task(asyncio.sleep(3600))

    @app.task
    async def group_succeeds() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(asyncio.sleep(0))

    row = [times_out, lets_it_out, group_succeeds, too_slow, group_fails, group_succeeds]
    found = await outcomes(app, connection, events, [task.job() for task in row * 3])
    assert found == [Succeeded, Retrying, Succeeded, Retrying, Retrying, Succeeded] * 3


async def test_context_variables_of_one_job_are_not_those_of_the_next(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    seen: list[int] = []

    @app.task
    async def sets(to: int) -> None:
        seen.append(mark.get())
        mark.set(to)
        await asyncio.sleep(0)
        seen.append(mark.get())

    jobs = [sets.job(number) for number in range(1, 6)]
    await outcomes(app, connection, events, jobs)
    assert seen == [0, 1, 0, 2, 0, 3, 0, 4, 0, 5]


@pytest.mark.parametrize("concurrency", [1, 10])
async def test_jobs_that_never_wait_leave_the_loop_its_turns(
    app: PgQueue, connection: Connection, events: Events, concurrency: int
) -> None:
    """A hand goes on to the next job without asking the loop, but not for long. Counted: 110 turns
    between jobs, and 16 where nothing ended a turn.
    """
    turns: list[int] = []

    @app.task
    async def hasty() -> None:
        sum(range(20_000))

    async def take_turns() -> None:
        while True:
            turns.append(len(events.started()))
            await asyncio.sleep(0)

    app.copy_many(connection, [hasty.job() for _ in range(1_000)])
    async with working(app, concurrency=concurrency):
        taking = asyncio.create_task(take_turns())
        await soon(lambda: len(events.of(JobFinished)) == 1_000)
        taking.cancel()
        await asyncio.wait({taking})
    between = {started for started in turns if 0 < started < 1_000}
    assert len(between) > 40
