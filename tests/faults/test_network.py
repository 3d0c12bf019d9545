"""The network between worker and server fails: lost answers, silence, resets."""

import re
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest

from pgqueue import Fixed, PgQueue, current_job
from pgqueue.events import ListenerDegraded
from tests.support.jobs import Connection, enqueue, existing_job, state, value
from tests.support.oracle import assert_exactly_once, effects, starts
from tests.support.process import StartWorker, WorkerProcess
from tests.support.proxy import FaultProxy, Mode, fault_proxy
from tests.support.waiting import eventually
from tests.support.working import Events, all_ended, application, asleep, become, soon, working

MODES: tuple[Mode, ...] = ("reset", "blackhole", "deaf", "refuse")


CLAIMER_RESTS = """
    SELECT bool_and(state = 'idle' AND state_change < clock_timestamp() - interval '0.3 seconds')
    FROM pg_stat_activity
    WHERE application_name LIKE 'pgqueue claimer%%' AND datname = current_database()
"""
"""Not in the middle of the look that follows falling asleep."""


@pytest.fixture
def proxy(dsn: str) -> Iterator[FaultProxy]:
    """Between workers and the test's database."""
    with fault_proxy(dsn) as proxy:
        yield proxy


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    """Handlers in worker processes do not go through the proxy."""
    monkeypatch.setenv("ORACLE_DSN", dsn)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["return", "retry"])
async def test_the_answer_to_a_completion_is_lost(
    oracle: Connection, dsn: str, proxy: FaultProxy, ending: str
) -> None:
    """The database has it; the worker asks again and comes to the same end."""
    runs: list[int] = []
    failures = "SELECT count(*) FROM pgqueue.failures WHERE job_id = %s"
    async with application(proxy.dsn) as app:

        @app.task(retry=Fixed(timedelta(0)))
        async def warm() -> None:
            if current_job().attempt == 1:
                raise ValueError

        @app.task(retry=Fixed(timedelta(0)))
        async def t() -> int:
            runs.append(current_job().attempt)
            if len(runs) == 1:
                proxy.set("deaf", only="pgqueue finisher")
            if ending == "retry" and len(runs) == 1:
                raise ValueError
            return len(runs)

        async with working(app):
            await become(oracle, enqueue(oracle, "warm"), "succeeded")
            id = enqueue(oracle, "t")
            await soon(lambda: len(runs) == 1)
            wanted = "succeeded" if ending == "return" else "retrying"
            if ending == "return":
                await become(oracle, id, wanted)
            else:
                await soon(lambda: value(oracle, failures, id) == 1)
            proxy.set("reset")
            proxy.set("ok")
            await become(oracle, id, "succeeded")
            after = enqueue(oracle, "t")
            await become(oracle, after, "succeeded")
    attempts = 1 if ending == "return" else 2
    assert existing_job(oracle, id)["attempt"] == attempts
    assert len(runs) == attempts + 1
    assert value(oracle, failures, id) == attempts - 1


@pytest.mark.slow
async def test_the_answer_to_a_claim_is_lost(oracle: Connection, proxy: FaultProxy) -> None:
    """Jobs that the worker does not know to be its own are given back without cost."""
    async with application(proxy.dsn) as app:

        @app.task
        async def t() -> None: ...

        async with working(app) as worker:
            await soon(lambda: asleep(worker) and value(oracle, CLAIMER_RESTS))
            proxy.set("deaf", only="pgqueue claimer")
            id = enqueue(oracle, "t")
            await become(oracle, id, "running")
            proxy.set("reset", only="pgqueue claimer")
            proxy.set("ok")
            await become(oracle, id, "succeeded")
    assert existing_job(oracle, id)["attempt"] == 1


@pytest.mark.slow
async def test_a_deaf_listener_is_noticed(
    oracle: Connection, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection looks alive, and nothing arrives. Polling goes on meanwhile."""
    monkeypatch.setattr("pgqueue.worker.listener.SELF_TEST_EVERY", 0.5)
    monkeypatch.setattr("pgqueue.worker.listener.SELF_TEST_DEADLINE", 0.5)
    async with application(proxy.dsn) as app:
        events = Events()
        app.observer(events)

        @app.task
        async def t() -> None: ...

        async with working(app, poll=60.0) as worker:
            await soon(lambda: asleep(worker))
            proxy.set("blackhole", only="pgqueue listener")
            await soon(lambda: events.of(ListenerDegraded), what="the self-test notices")
            await become(oracle, enqueue(oracle, "t"), "succeeded")
            proxy.set("ok")
            await soon(lambda: asleep(worker), what="the listener is back")
            await become(oracle, enqueue(oracle, "t"), "succeeded")


@pytest.mark.slow
async def test_only_the_heart_is_cut_off(oracle: Connection, proxy: FaultProxy) -> None:
    """Others take its jobs; when the heart is back it works on under a new registration."""
    runs: list[int] = []
    async with application(proxy.dsn) as app:

        @app.task
        async def t() -> int:
            import asyncio

            runs.append(current_job().attempt)
            if len(runs) == 1:
                await asyncio.sleep(3600)
            return current_job().attempt

        id = enqueue(oracle, "t")
        async with working(app, name="cut off") as worker:
            await soon(lambda: runs)
            proxy.set("blackhole", only="pgqueue heart cut off")
            async with working(app, name="healthy"):
                await become(oracle, id, "succeeded")
            assert existing_job(oracle, id)["result"] == 2
            proxy.set("ok")
            await soon(lambda: worker._parts is not None and worker._parts.slots.idle)
            alone = enqueue(oracle, "t")
            await become(oracle, alone, "succeeded")
            await all_ended(oracle)


@pytest.mark.slow
def test_resets_and_silence_during_some_hundred_jobs(
    oracle: Connection, proxy: FaultProxy, direct: None, start_worker: StartWorker
) -> None:
    total = 0
    left = "SELECT count(*) FROM pgqueue.job"
    workers = [start_worker(through=proxy.dsn, concurrency=4, name=f"w{n}") for n in range(2)]
    for worker in workers:
        worker.registered(oracle)

    def told() -> int:
        return sum(worker.log.count("ConnectionLost") for worker in workers)

    for mode in MODES * 2:
        # A heart that is still cut off by the last fault would not tell of the next one.
        eventually(lambda: all(map(_heart_is_well, workers)), what=f"all are well before {mode}")
        for number in range(60):
            seconds = (number % 5) * 0.01
            enqueue(oracle, "effect", args={"seconds": seconds}, max_attempts=1000)
        total += 60
        losses = told()
        proxy.set(mode)
        eventually(partial(_is_more, told, losses), what=f"the workers notice: {mode}")
        if mode in ("blackhole", "deaf"):
            proxy.set("reset")
        proxy.set("ok")
        eventually(partial(_at_most, 20, oracle, left), what=f"work after {mode}")
    eventually(lambda: value(oracle, left) == 0)
    assert_exactly_once(oracle, total)
    for worker in workers:
        assert worker.process.poll() is None, worker.log
        worker.signal(signal.SIGTERM)
        assert worker.exit_code() == 0


@pytest.mark.slow
def test_the_answer_to_the_handler_s_own_commit_is_lost(
    oracle: Connection, proxy: FaultProxy, dsn: str, start_worker: StartWorker
) -> None:
    """The handler sees an error although its transaction was committed."""
    id = enqueue(oracle, "effect", args={"seconds": 1.0})
    worker = start_worker(through=proxy.dsn, heartbeat=4.0, lease=20.0)
    handler = "pgqueue handler"
    eventually(lambda: proxy.connections(handler) == 1)
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = %s AND state LIKE 'idle in%%' AND datname = current_database()"
    )
    eventually(lambda: value(oracle, query, handler) == 1)
    proxy.set("deaf", only=handler)
    # Its next statement is the completion, whose answer never comes: so it cannot commit.
    eventually(lambda: value(oracle, query, handler) == 1)
    proxy.set("reset", only=handler)
    proxy.set("ok")
    eventually(lambda: state(oracle, id) == "succeeded")
    assert effects(oracle, id) == 1
    assert starts(oracle) == 0
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0


async def test_a_pooled_application_survives_resets(dsn: str, proxy: FaultProxy) -> None:
    """Enqueueing through the application's own pool, after its connections broke."""
    async with application(proxy.dsn) as app:
        await _enqueue_after_reset(app, proxy)


def _heart_is_well(worker: WorkerProcess) -> bool:
    """Whether it was connected again after each loss."""
    lost = len(re.findall(r"ConnectionLost\(worker='[^']*', role='heart'", worker.log))
    return lost == len(re.findall(r"ConnectionRestored\(worker='[^']*', role='heart'", worker.log))


def _is_more(count: Callable[[], int], than: int) -> bool:
    return count() > than


def _at_most(target: int, connection: Connection, query: str) -> bool:
    return int(value(connection, query)) <= target


async def _enqueue_after_reset(app: PgQueue, proxy: FaultProxy) -> None:
    @app.task
    async def t() -> None: ...

    await t.enqueue_now_async()
    proxy.set("reset")
    proxy.set("ok")
    assert (await t.enqueue_now_async()).id
