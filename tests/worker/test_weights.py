"""Queues that have jobs are served by their weights; who has none leaves its share to others."""

import asyncio
from collections import Counter

import pytest

from pgqueue import PgQueue
from pgqueue.events import JobStarted
from tests.support.jobs import Connection
from tests.support.working import Events, soon, working

SLOTS = 8


class Gate:
    """Handlers wait here until the test lets some of them through."""

    def __init__(self, app: PgQueue) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.task = app.task(name="waits")(self.wait)

    async def wait(self) -> None:
        self.waiting.append(asyncio.get_running_loop().create_future())
        await self.waiting[-1]

    async def full(self) -> None:
        """Return when every slot has a job."""
        await soon(lambda: len(self.waiting) == SLOTS)

    def let_through(self, number: int) -> None:
        """The oldest, all in one turn of the loop."""
        let, self.waiting = self.waiting[:number], self.waiting[number:]
        for future in let:
            future.set_result(None)


@pytest.fixture
def gate(app: PgQueue) -> Gate:
    """Where all jobs of these tests wait."""
    return Gate(app)


def shares(events: Events, count: int) -> dict[str, int]:
    """How many of the first jobs were from which queue."""
    return dict(Counter(event.queue for event in events.of(JobStarted)[:count]))


async def run(
    app: PgQueue, connection: Connection, gate: Gate, jobs: dict[str, int], *, at_once: int
) -> None:
    """Let these many jobs of each queue through eight slots, so many at once."""
    for queue, count in jobs.items():
        waiting = gate.task.using(queue=queue)
        app.enqueue_many(connection, [waiting.job() for _ in range(count)])
    settings = {"weights": {"a": 3}, "concurrency": SLOTS, "prefetch": 0}
    async with working(app, queues={"a": None, "b": None}, grace=0.0, **settings):
        for _ in range((80 - SLOTS) // at_once):
            await gate.full()
            gate.let_through(at_once)
        await gate.full()


@pytest.mark.parametrize("at_once", [8, 4])
async def test_full_queues_are_served_by_weight(
    app: PgQueue, connection: Connection, events: Events, gate: Gate, at_once: int
) -> None:
    await run(app, connection, gate, {"a": 80, "b": 80}, at_once=at_once)
    assert shares(events, 80) == {"a": 60, "b": 20}


@pytest.mark.parametrize("at_once", [1, 2])
async def test_slots_that_get_free_one_by_one_are_filled_by_weight(
    app: PgQueue, connection: Connection, events: Events, gate: Gate, at_once: int
) -> None:
    await run(app, connection, gate, {"a": 80, "b": 80}, at_once=at_once)
    assert 56 <= shares(events, 80)["a"] <= 64, shares(events, 80)


@pytest.mark.parametrize(("jobs", "expected"), [({"a": 80}, {"a": 80}), ({"b": 80}, {"b": 80})])
async def test_a_queue_without_jobs_leaves_its_share_to_others(
    app: PgQueue,
    connection: Connection,
    events: Events,
    gate: Gate,
    jobs: dict[str, int],
    expected: dict[str, int],
) -> None:
    await run(app, connection, gate, jobs, at_once=SLOTS)
    assert shares(events, 80) == expected


async def test_few_jobs_leave_the_rest_of_their_share(
    app: PgQueue, connection: Connection, events: Events, gate: Gate
) -> None:
    await run(app, connection, gate, {"a": 10, "b": 80}, at_once=SLOTS)
    assert shares(events, 16) == {"a": 10, "b": 6}
    assert shares(events, 80) == {"a": 10, "b": 70}
