"""Behind PgBouncer in transaction mode: workers poll, jobs flow, nothing relies on a session."""

import signal
from collections.abc import Iterator

import psycopg
import pytest

from pgqueue.events import ListenerDegraded
from tests.support.bouncer import bouncer, find_bouncer
from tests.support.jobs import Connection, enqueue, state, value
from tests.support.oracle import assert_exactly_once
from tests.support.process import StartWorker
from tests.support.waiting import eventually
from tests.support.working import Events, all_ended, application, become, soon, working

pytestmark = pytest.mark.skipif(
    find_bouncer() is None, reason="PgBouncer is not installed (Debian: apt install pgbouncer)"
)


@pytest.fixture
def pooled(dsn: str) -> Iterator[str]:
    """A DSN through PgBouncer."""
    with bouncer(dsn) as through:
        yield through


async def test_enqueue_run_and_wait(pooled: str, connection: Connection) -> None:
    async with application(pooled) as app:
        events = Events()
        app.observer(events)

        @app.task
        async def t(n: int) -> int:
            return n

        @app.task
        def in_thread(n: int) -> int:
            return n

        async with working(app):
            await soon(lambda: events.of(ListenerDegraded))
            assert "pooler" in events.of(ListenerDegraded)[0].reason
            for number in range(20):  # more than it takes until drivers prepare statements
                await t.enqueue_now_async(number)
                in_thread.enqueue_now(number)
            assert await (await t.enqueue_now_async(7)).wait_async(20) == 7
            with psycopg.connect(pooled, prepare_threshold=None) as own:
                t.enqueue(own, 1)
                own.rollback()
                t.enqueue(own, 2)
            async with await psycopg.AsyncConnection.connect(
                pooled, prepare_threshold=None
            ) as async_own:
                last = await t.enqueue(async_own, 3)
            await become(connection, last, "succeeded")
            await all_ended(connection)
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == 43
    assert value(connection, "SELECT count(*) FROM pgqueue.worker") == 0
    assert len(events.of(ListenerDegraded)) == 1


async def test_waiting_in_a_thread(pooled: str, connection: Connection) -> None:
    import asyncio

    async with application(pooled) as app:

        @app.task
        async def slow() -> str:
            await asyncio.sleep(0.1)
            return "done"

        async with working(app):
            job = slow.enqueue_now()
            assert await asyncio.to_thread(job.wait, 20) == "done"


@pytest.mark.slow
def test_worker_processes_with_effects(
    pooled: str, oracle: Connection, start_worker: StartWorker
) -> None:
    total = 150
    for number in range(total):
        enqueue(oracle, ("effect", "effect_in_thread")[number % 2], args={"seconds": 0.01})
    workers = [start_worker(through=pooled, concurrency=4, name=f"w{n}") for n in range(2)]
    eventually(lambda: value(oracle, "SELECT count(*) FROM pgqueue.job") == 0, within=40)
    assert_exactly_once(oracle, total)
    late = enqueue(oracle, "plain")
    eventually(lambda: state(oracle, late) == "succeeded")
    for worker in workers:
        worker.signal(signal.SIGTERM)
        assert worker.exit_code() == 0
