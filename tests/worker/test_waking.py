"""Workers sleep when there is nothing to do, and wake up for what comes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.database import link
from pgqueue.events import JobFinished
from tests.support.jobs import Connection, existing_job, value
from tests.support.waiting import heard
from tests.support.working import Events, all_ended, asleep, become, parts, soon, working

NEVER = 60.0
"""A poll interval that no test lives to see."""


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener's test of itself wakes sleepers too, which would hide that no bell rang."""
    monkeypatch.setattr("pgqueue.worker.listener.SELF_TEST_EVERY", NEVER)


async def test_a_sleeping_worker_starts_a_job_at_once(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def t(n: int) -> int:
        return n

    async with working(app, poll=NEVER) as worker:
        for number in range(5):
            await soon(lambda: asleep(worker))
            enqueued = t.enqueue(connection, number)
            assert await enqueued.wait_async(10) == number


async def test_several_sleepers_share_the_bell(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def t() -> None: ...

    async with (
        working(app, poll=NEVER, name="a") as a,
        working(app, poll=NEVER, name="b") as b,
        working(app, poll=NEVER, name="c") as c,
    ):
        for _ in range(10):
            await soon(lambda: asleep(a) and asleep(b) and asleep(c))
            await become(connection, t.enqueue(connection), "succeeded", within=10)
        a.stop()
        await soon(lambda: value(connection, "SELECT count(*) FROM pgqueue.worker") == 2)
        await soon(lambda: asleep(b) and asleep(c))
        await become(connection, t.enqueue(connection), "succeeded", within=10)


async def test_who_holds_the_bell_hands_it_on(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def t() -> None: ...

    async with working(app, poll=NEVER, name="holder") as holder:
        await soon(lambda: asleep(holder))
        async with working(app, poll=NEVER, name="heir") as heir:
            await soon(lambda: asleep(heir))
            assert parts(holder).listener._held
            assert not parts(heir).listener._held
            holder.stop()
            await soon(lambda: holder._run is not None and holder._run.done())
            await become(connection, t.enqueue(connection), "succeeded", within=10)


async def test_a_sleeper_without_its_claiming_connection(
    app: PgQueue, connection: Connection
) -> None:
    """It finds out only when a bell rings, and must not go back to sleep then."""

    @app.task
    async def t() -> None: ...

    kill = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'pgqueue claimer%%'"
    )
    async with working(app, poll=NEVER) as worker:
        for _ in range(3):
            await become(connection, t.enqueue(connection), "succeeded", within=10)
            await soon(lambda: asleep(worker))
            assert value(connection, kill)
            await become(connection, t.enqueue(connection), "succeeded", within=10)


async def test_jobs_of_many_queues_wake_one_worker(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def t() -> None: ...

    names = ["default", "mail", "Größe 'x'", "q" * 100]
    async with working(app, poll=NEVER, queues=dict.fromkeys(names)) as worker:
        for name in names:
            await soon(lambda: asleep(worker))
            enqueued = t.using(queue=name).enqueue(connection)
            await become(connection, enqueued, "succeeded", within=10)
        foreign = t.using(queue="elsewhere").enqueue(connection)
        last = t.enqueue(connection)
        await become(connection, last, "succeeded", within=10)
        assert foreign.state(connection) == "queued"


async def test_released_jobs_wake_a_sleeper(app: PgQueue, connection: Connection) -> None:
    """The sleeper has been past the job's place in line already."""
    started: list[str] = []

    @app.task
    async def t(quick: bool) -> None:
        started.append("x")
        if not quick and len(started) == 1:
            await asyncio.sleep(3600)

    async with working(app, poll=NEVER, grace=0.1) as first:
        enqueued = t.enqueue(connection, False)
        await become(connection, enqueued, "running")
        async with working(app, poll=NEVER, name="second") as second:
            await become(connection, t.enqueue(connection, True), "succeeded", within=10)
            await soon(lambda: asleep(second))
            first.stop()
            await become(connection, enqueued, "succeeded", within=10)
    assert existing_job(connection, enqueued.id)["attempt"] == 1


async def test_paused_queues_rest_and_resumed_ones_wake(
    app: PgQueue, connection: Connection
) -> None:
    @app.task
    async def t() -> None: ...

    async with working(app, poll=NEVER) as worker:
        connection.execute("SELECT pgqueue.pause_queue('default')")
        await soon(lambda: asleep(worker))
        waiting = t.enqueue(connection)
        going = t.using(queue="other").enqueue(connection)
        async with working(app, poll=NEVER, queues={"other": None}):
            await become(connection, going, "succeeded", within=10)
        assert waiting.state(connection) == "queued"
        await soon(lambda: asleep(worker))
        connection.execute("SELECT pgqueue.resume_queue('default')")
        await become(connection, waiting, "succeeded", within=10)


async def test_without_listen_it_polls(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def t() -> None: ...

    async with working(app, listen=False) as worker:
        for _ in range(3):
            await become(connection, t.enqueue(connection), "succeeded", within=10)
        assert not asleep(worker)
        listeners = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'pgqueue listener%%'"
        )
        assert value(connection, listeners) == 0


async def test_a_queue_at_its_limit_goes_on_when_a_job_ends(
    app: PgQueue, connection: Connection
) -> None:
    at_once, most = 0, 0

    @app.task
    async def t() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)  # a worker is awake only after it has started what it claimed
        await soon(lambda: asleep(worker))
        at_once -= 1

    for _ in range(8):
        t.enqueue(connection)
    worker = working(app, poll=NEVER, queues={"default": 2})
    async with worker:
        await all_ended(connection, within=20)
    assert most == 2


async def test_two_workers_in_one_process_share_the_work(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def t() -> None:
        await asyncio.sleep(0.01)

    app.enqueue_many(connection, [t.job() for _ in range(200)])
    async with (
        working(app, name="a", concurrency=3, prefetch=0),
        working(app, name="b", concurrency=3, prefetch=0),
    ):
        await all_ended(connection)
    assert sorted(events.started()) == sorted(events.finished())
    assert len(set(events.started())) == 200
    share = [e.worker for e in events.of(JobFinished)]
    assert min(share.count("a"), share.count("b")) > 20


async def test_an_idle_worker_leaves_the_server_alone(
    app: PgQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heartbeat, the listener's test of itself, a look for due and for lost jobs: between one
    and two statements a second are normal. Who polls makes at least four, at 0.25 s.
    """
    monkeypatch.setattr("pgqueue.worker.listener.SELF_TEST_EVERY", 10.0)
    statements: list[str] = []

    async def counted(connection: Any, query: str, *rest: Any) -> Any:
        statements.append(query)
        return await fetch(connection, query, *rest)

    fetch = link._fetch
    monkeypatch.setattr(link, "_fetch", counted)
    seconds = 6
    async with working(app, heartbeat=5.0, lease=15.0) as worker:
        await soon(lambda: asleep(worker))
        statements.clear()
        await asyncio.sleep(seconds)  # the time over which a rate is measured
        sent = list(statements)
    assert 0 < len(sent) <= 3 * seconds, sent


async def test_no_bell_rings_while_workers_are_busy(
    app: PgQueue, connection: Connection, other: Connection
) -> None:
    go_on = asyncio.Event()

    @app.task
    async def t() -> None:
        await go_on.wait()

    other.execute("LISTEN pgqueue")
    async with working(app, concurrency=2) as worker:
        await soon(lambda: asleep(worker))
        for _ in range(4):
            t.enqueue(connection)
        await soon(lambda: not asleep(worker) and parts(worker).slots.running == 2)
        heard(other, "pgqueue")
        for _ in range(100):
            t.enqueue(connection)
        assert heard(other, "pgqueue") == []
        go_on.set()
        await all_ended(connection)


async def test_awaited_jobs_are_not_passed_over(
    app: PgQueue, connection: Connection, connect: Callable[..., Connection]
) -> None:
    """To wait for a job touches its row, perhaps at the moment when a claimer comes by."""

    @app.task
    async def t(n: int) -> int:
        return n

    async with working(app, concurrency=4):
        jobs = [t.enqueue(connection, n) for n in range(60)]
        results: list[Any] = await asyncio.gather(*(found.wait_async(20) for found in jobs))
    assert results == list(range(60))
