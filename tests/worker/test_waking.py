"""Workers sleep when there is nothing to do, and wake up for what comes."""

import asyncio
import itertools
import random
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, current_job
from tests.support.jobs import Connection, job, value
from tests.support.waiting import heard
from tests.support.working import Events, all_ended, asleep, become, soon, working

NEVER = 60.0
"""A poll interval that no test lives to see."""


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
    assert job(connection, enqueued.id)["attempt"] == 1  # type: ignore[index]  # it is there


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
        await asyncio.sleep(0.4)  # long enough for the worker to fall asleep
        at_once -= 1

    for _ in range(8):
        t.enqueue(connection)
    async with working(app, poll=NEVER, queues={"default": 2}):
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
    share = [e.worker for e in events if type(e).__name__ == "JobFinished"]  # type: ignore[union-attr]
    assert min(share.count("a"), share.count("b")) > 20


async def test_an_idle_worker_leaves_the_server_alone(app: PgQueue, connection: Connection) -> None:
    seconds = 4
    async with working(app, heartbeat=5.0, lease=15.0) as worker:
        await soon(lambda: asleep(worker))
        begins = await _transactions(connection)
        await asyncio.sleep(seconds)
        ends = await _transactions(connection)
    assert ends - begins <= 5 * seconds + 10


async def _transactions(connection: Connection) -> int:
    """Ended transactions of this database; servers before 15 tell with a delay."""
    connection.execute("SELECT pg_stat_clear_snapshot()")
    query = (
        "SELECT xact_commit + xact_rollback FROM pg_stat_database "
        "WHERE datname = current_database()"
    )
    return int(value(connection, query))


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
        await soon(lambda: not asleep(worker) and worker._parts.slots.running == 2)  # type: ignore[union-attr]
        heard(other, "pgqueue")
        for _ in range(100):
            t.enqueue(connection)
        assert heard(other, "pgqueue") == []
        go_on.set()
        await all_ended(connection)


@pytest.mark.slow
async def test_no_wake_up_is_lost(app: PgQueue, connection: Connection, dsn: str) -> None:
    """Transactions stay open for a while after they enqueued; then nobody else makes a sound."""
    committed = itertools.count()

    @app.task
    async def t() -> None: ...

    def enqueue_some(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(dsn) as own:
            own.isolation_level = (
                psycopg.IsolationLevel.REPEATABLE_READ
                if seed % 2
                else psycopg.IsolationLevel.READ_COMMITTED
            )
            for _ in range(12):
                t.enqueue(own)
                threading.Event().wait(chance.choice((0, 0, 0.01, 0.1, 0.3)))
                own.commit()
                next(committed)
                threading.Event().wait(chance.choice((0, 0.02, 0.3)))

    async with working(app, poll=NEVER, name="a"), working(app, poll=NEVER, name="b"):
        await asyncio.gather(*(asyncio.to_thread(enqueue_some, seed) for seed in range(10)))
        await all_ended(connection, within=10)
    assert next(committed) == value(connection, "SELECT count(*) FROM pgqueue.job_done") == 120


@pytest.mark.slow
async def test_nothing_starves_behind_the_watermark(
    app: PgQueue,
    connection: Connection,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Late commits, rollbacks, retries and releases, with no full scan to cover up for mistakes."""
    monkeypatch.setattr("pgqueue.worker.watermark.FULL_SCAN", 3600.0)
    committed = 0
    lock = threading.Lock()

    @app.task(retry=lambda attempt, error: __import__("datetime").timedelta(seconds=0.05))
    async def t(number: int) -> None:
        if number % 20 == 0 and current_job().attempt == 1:
            raise ValueError
        await asyncio.sleep(0.001 * (number % 5))

    def enqueue_some(seed: int) -> None:
        nonlocal committed
        chance = random.Random(seed)
        with psycopg.connect(dsn) as own:
            for _ in range(25):
                count = chance.choice((1, 1, 5, 20))
                kind = t.using(priority=chance.randrange(4))
                app.enqueue_many(own, [kind.job(chance.randrange(1000)) for _ in range(count)])
                threading.Event().wait(chance.choice((0, 0, 0, 0.01, 0.1, 0.3, 1.0)))
                if chance.random() < 0.1:
                    own.rollback()
                else:
                    own.commit()
                    with lock:
                        committed += count

    async def come_and_go() -> None:
        for _ in range(8):
            async with working(app, concurrency=5, poll=0.2, grace=0.0):
                await asyncio.sleep(0.4)

    async with working(app, concurrency=5, poll=0.2), working(app, concurrency=2, poll=0.2):
        await asyncio.gather(
            come_and_go(), *(asyncio.to_thread(enqueue_some, seed) for seed in range(6))
        )
        await all_ended(connection, within=20)
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == committed


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
