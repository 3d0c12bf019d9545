"""Queues in strict order: a later one gets what the earlier ones leave."""

import asyncio

import pytest

from pgqueue import PgQueue
from pgqueue.events import JobStarted
from tests.support.jobs import Connection
from tests.support.working import Events, parts, soon, working

SLOTS = 4


class Door:
    """Handlers wait here until the test lets the oldest one through."""

    def __init__(self, app: PgQueue) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.task = app.task(name="waits")(self.wait)

    async def wait(self) -> None:
        self.waiting.append(asyncio.get_running_loop().create_future())
        await self.waiting[-1]

    def let_through(self) -> None:
        self.waiting.pop(0).set_result(None)


@pytest.fixture
def door(app: PgQueue) -> Door:
    """Where all jobs of these tests wait."""
    return Door(app)


def order(events: Events) -> str:
    """The queues of the jobs in the order of their starts."""
    return "".join(event.queue for event in events.of(JobStarted))


def add(app: PgQueue, connection: Connection, door: Door, jobs: str) -> None:
    """A job in each of these queues, all of one commit."""
    app.enqueue_many(connection, [door.task.using(queue=queue).job() for queue in jobs])


async def let_all_through(door: Door, events: Events, jobs: int) -> None:
    """One by one; each leaves its slot to the next before another goes."""
    for ended in range(jobs):
        await soon(lambda ended=ended: len(events.of(JobStarted)) >= min(jobs, ended + SLOTS))  # type: ignore[misc]
        door.let_through()


async def test_the_first_queue_is_served_first(
    app: PgQueue, connection: Connection, events: Events, door: Door
) -> None:
    add(app, connection, door, "c" * 10 + "b" * 10 + "a" * 10)
    queues = {"a": None, "b": None, "c": None}
    async with working(app, queues=queues, strict=True, concurrency=SLOTS, prefetch=0):
        await let_all_through(door, events, 30)
    assert order(events) == "a" * 10 + "b" * 10 + "c" * 10


async def test_who_comes_to_the_first_queue_is_next(
    app: PgQueue, connection: Connection, events: Events, door: Door
) -> None:
    add(app, connection, door, "b" * 20)
    queues = {"a": None, "b": None}
    async with working(app, queues=queues, strict=True, concurrency=SLOTS, prefetch=0):
        for _ in range(5):
            await soon(lambda: len(door.waiting) == SLOTS)
            started = len(order(events))
            add(app, connection, door, "a")
            door.let_through()
            await soon(lambda: len(door.waiting) == SLOTS)
            assert order(events)[started] == "a", order(events)
        while door.waiting:
            door.let_through()
            await asyncio.sleep(0)


async def test_a_queue_at_its_limit_leaves_slots_to_the_next(
    app: PgQueue, connection: Connection, events: Events, door: Door
) -> None:
    add(app, connection, door, "a" * 4 + "b" * 12)
    queues = {"a": 1, "b": None}
    async with working(app, queues=queues, strict=True, concurrency=SLOTS, prefetch=0):
        await soon(lambda: len(door.waiting) == SLOTS)
        assert order(events) == "abbb"
        await let_all_through(door, events, 16)


async def test_jobs_claimed_ahead_keep_the_order_too(
    app: PgQueue,
    connection: Connection,
    events: Events,
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pgqueue.worker.feeder.Feeder._prefetch", lambda self: 8)
    add(app, connection, door, "b" * 9)
    queues = {"a": None, "b": None}
    async with working(app, queues=queues, strict=True, concurrency=1) as worker:
        await soon(lambda: parts(worker).slots.waiting == 8)
        add(app, connection, door, "a")
        for started in range(1, 10):
            await soon(lambda started=started: len(order(events)) >= started)  # type: ignore[misc]
            if "a" in order(events):
                break
            door.let_through()
        assert order(events).endswith("a")
        assert parts(worker).slots.waiting > 0, "jobs of b were claimed before it, and wait"
        while door.waiting:
            door.let_through()
            await asyncio.sleep(0)
