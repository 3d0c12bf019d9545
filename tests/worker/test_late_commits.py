"""Jobs whose transactions commit late, in any order, are neither slept through nor passed over."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, current_job
from pgqueue.task import Task
from pgqueue.worker.claimer import Claim, Claimer
from tests.support.jobs import Connection, value, values
from tests.support.waiting import eventually
from tests.support.working import all_ended, soon, working

NEVER = 60.0
"""A poll interval that no test lives to see."""
KILL_LISTENERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'pgqueue listener%%'
"""


@pytest.fixture
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener's test of itself wakes sleepers too, which would hide that no bell rang."""
    monkeypatch.setattr("pgqueue.worker.listener.SELF_TEST_EVERY", NEVER)


def enqueue_at_times(
    dsn: str, t: Task[[], Any], seed: int, rounds: int, open_for: tuple[float, ...]
) -> int:
    """Transactions stay open for a while after they enqueued; then nobody makes a sound."""
    chance = random.Random(seed)
    with psycopg.connect(dsn) as own:
        own.isolation_level = (
            psycopg.IsolationLevel.REPEATABLE_READ
            if seed % 2
            else psycopg.IsolationLevel.READ_COMMITTED
        )
        for _ in range(rounds):
            t.enqueue(own)
            time.sleep(chance.choice(open_for))  # uncommitted for so long
            own.commit()
            time.sleep(chance.choice((0, 0.02, 0.3)))  # silent for so long
    return rounds


@pytest.mark.slow
@pytest.mark.usefixtures("undisturbed")
async def test_no_wake_up_is_lost(app: PgQueue, connection: Connection, dsn: str) -> None:
    @app.task
    async def t() -> None: ...

    async with working(app, poll=NEVER, name="a"), working(app, poll=NEVER, name="b"):
        enqueuing = partial(enqueue_at_times, dsn, t, rounds=12, open_for=(0, 0, 0.01, 0.1, 0.3))
        committed = await asyncio.gather(
            *(asyncio.to_thread(enqueuing, seed=seed) for seed in range(10))
        )
        await all_ended(connection, within=10)
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == sum(committed) == 120


@pytest.mark.slow
@pytest.mark.usefixtures("undisturbed")
async def test_no_wake_up_is_lost_when_listeners_lose_their_connections(
    app: PgQueue, connection: Connection, connect: Callable[..., Connection], dsn: str
) -> None:
    """Their bells are lost with them, and whoever enqueues meanwhile does not ring."""
    over = threading.Event()

    @app.task
    async def t() -> None: ...

    def kill_listeners() -> int:
        """One after the other, as soon as it holds a bell; how many that were."""
        killed, chance = 0, random.Random(0)
        with connect() as own:
            while not over.wait(chance.choice((0.05, 0.2, 0.7))):
                killed += len(values(own, KILL_LISTENERS))
        return killed

    async with working(app, poll=NEVER, name="a"), working(app, poll=NEVER, name="b"):
        killing = asyncio.create_task(asyncio.to_thread(kill_listeners))
        enqueuing = partial(
            enqueue_at_times, dsn, t, rounds=5, open_for=(0, 0.01, 0.1, 0.3, 1.0, 2.0)
        )
        committed = await asyncio.gather(
            *(asyncio.to_thread(enqueuing, seed=seed) for seed in range(10))
        )
        over.set()
        assert await killing > 5
        await all_ended(connection, within=10)
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == sum(committed) == 50


@pytest.mark.slow
async def test_nothing_starves_behind_the_watermark(
    app: PgQueue,
    connection: Connection,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Late commits, rollbacks, retries and releases, with no full scan to cover up for mistakes."""
    monkeypatch.setattr("pgqueue.worker.watermark.FULL_SCAN", 3600.0)
    committed = looks = 0
    lock = threading.Lock()
    claim = Claimer.claim

    async def counted(claimer: Claimer, queue: str, most: int) -> list[Claim]:
        nonlocal looks
        looks += 1
        return await claim(claimer, queue, most)

    def have_looked(often: int) -> bool:
        return looks >= often

    monkeypatch.setattr(Claimer, "claim", counted)

    @app.task(retry=lambda attempt, error: timedelta(seconds=0.05))
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
                until = looks + chance.choice((0, 0, 0, 1, 3, 10))
                eventually(partial(have_looked, until))
                if chance.random() < 0.1:
                    own.rollback()
                else:
                    own.commit()
                    with lock:
                        committed += count

    async def come_and_go() -> None:
        for _ in range(8):
            async with working(app, concurrency=5, poll=0.2, grace=0.0):
                await soon(partial(have_looked, looks + 5))

    async with working(app, concurrency=5, poll=0.2), working(app, concurrency=2, poll=0.2):
        await asyncio.gather(
            come_and_go(), *(asyncio.to_thread(enqueue_some, seed) for seed in range(6))
        )
        await all_ended(connection, within=20)
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == committed
