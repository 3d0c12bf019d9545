"""A worker that is asked, by way of the database, to be quiet, to resume, or to stop."""

import asyncio
import contextlib

import pytest

from pgqueue import PgQueue, Task, Worker
from pgqueue.events import JobsReleased, WorkerAsked, WorkerStopped
from pgqueue.worker.claimer import Claim
from tests.support.jobs import Connection, existing_job, expire, value, values
from tests.support.working import Events, become, parts, soon, working

ASK = "SELECT pgqueue.ask_worker(%s, %s)"
STATE = "SELECT state FROM pgqueue.workers"
READY = "SELECT count(*) FROM pgqueue.job WHERE lease IS NULL"


def held_up(app: PgQueue) -> tuple[Task[[], None], asyncio.Event]:
    """A task that goes on when the test says so."""
    go_on = asyncio.Event()

    @app.task
    async def slow() -> None:
        await go_on.wait()

    return slow, go_on


def ask(connection: Connection, worker: Worker, wish: str) -> None:
    assert value(connection, ASK, parts(worker).heart.worker_id, wish)


async def test_a_quiet_worker_finishes_what_it_runs_and_takes_no_more(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    slow, go_on = held_up(app)

    @app.task
    async def quick() -> None: ...

    running = slow.enqueue(connection)
    async with working(app, heartbeat=0.1) as worker:
        await become(connection, running, "running")
        ask(connection, worker, "quiet")
        await soon(lambda: value(connection, STATE) == "quiet")
        assert worker._vitals.ready().reason == "quiet"
        left = quick.enqueue(connection)
        go_on.set()
        await become(connection, running, "succeeded")
        await asyncio.sleep(0.5)
        assert existing_job(connection, left.id)["state"] == "queued"
        ask(connection, worker, "resume")
        await become(connection, left, "succeeded")
        await soon(lambda: value(connection, STATE) == "running")
        assert worker._vitals.ready().well
    assert [event.wish for event in events.of(WorkerAsked)] == ["quiet", "resume"]


async def test_jobs_claimed_ahead_go_to_others(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    go_on = asyncio.Event()

    @app.task
    async def first() -> None: ...

    @app.task
    async def slow() -> None:
        await go_on.wait()

    async with working(app, heartbeat=0.1, concurrency=1) as worker:
        parts(worker)._feeder._prefetch = lambda: 10  # type: ignore[method-assign] # as under load
        jobs = [slow.enqueue(connection) for _ in range(5)]
        await soon(lambda: parts(worker).slots.waiting == 4)
        ask(connection, worker, "quiet")
        await soon(lambda: value(connection, READY) == 4)
        assert [event.count for event in events.of(JobsReleased)] == [4]
        go_on.set()
        await become(connection, jobs[0], "succeeded")
        ask(connection, worker, "resume")
        for job in jobs:
            await become(connection, job, "succeeded")
    assert value(connection, "SELECT max(attempt) FROM pgqueue.job_done") == 1


async def test_a_worker_that_is_asked_to_stop_ends(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def slow() -> None:
        await asyncio.sleep(0.3)

    running = slow.enqueue(connection)
    worker = app.worker(heartbeat=0.1)
    run = asyncio.create_task(worker.run())
    await become(connection, running, "running")
    ask(connection, worker, "quiet")
    ask(connection, worker, "stop")
    async with asyncio.timeout(30):
        await run
    assert existing_job(connection, running.id)["state"] == "succeeded"
    assert value(connection, "SELECT count(*) FROM pgqueue.worker") == 0
    assert events.of(WorkerStopped)


async def test_a_worker_that_was_lost_and_comes_back_works(
    app: PgQueue, connection: Connection
) -> None:
    """It is a new row: what was asked of the old one is asked of nobody."""

    @app.task
    async def quick() -> None: ...

    async with working(app, heartbeat=0.1, lease=20.0) as worker:
        ask(connection, worker, "quiet")
        await soon(lambda: value(connection, STATE) == "quiet")
        expire(connection, parts(worker).heart.worker_id)
        connection.execute("SELECT pgqueue.rescue()")
        await become(connection, quick.enqueue(connection), "succeeded")
        assert value(connection, STATE) == "running"


async def test_a_quiet_worker_hands_on_the_bells(app: PgQueue, connection: Connection) -> None:
    """At once, also when it sleeps and nobody rings: others are to be woken in its place."""
    async with working(app, heartbeat=0.1, poll=60.0) as worker:
        await soon(lambda: parts(worker).listener.holds_bells)
        ask(connection, worker, "quiet")
        await soon(lambda: not parts(worker).listener.holds_bells)
        ask(connection, worker, "resume")
        await soon(lambda: parts(worker).listener.holds_bells)


async def test_a_claim_on_its_way_is_given_back(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other queue is asked any more."""
    ran: list[str] = []

    @app.task
    async def t() -> None:
        ran.append("t")

    async with working(app, heartbeat=0.1, queues={"default": None, "b": None}) as worker:
        claimer = parts(worker)._claimer
        claim = claimer.claim
        asked: list[str] = []

        async def late(queue: str, most: int) -> list[Claim]:
            asked.append(queue)
            ask(connection, worker, "quiet")
            await soon(lambda: value(connection, STATE) == "quiet")
            return await claim(queue, most)

        await soon(lambda: parts(worker).listener.holds_bells)  # it sleeps
        monkeypatch.setattr(claimer, "claim", late)
        with connection.transaction():
            for queue in ("default", "b"):
                t.using(queue=queue).enqueue(connection)
        await soon(lambda: asked)
        await soon(lambda: value(connection, READY) == 2)
        await asyncio.sleep(0.3)
        assert (len(asked), ran) == (1, [])
        assert value(connection, READY) == 2
        monkeypatch.setattr(claimer, "claim", claim)


async def test_stop_leaves_the_grace_time_to_sigterm(app: PgQueue, connection: Connection) -> None:
    """Whoever sends the signal afterwards, as a process manager does, is the first to do so."""

    @app.task
    async def slow() -> None:
        await asyncio.sleep(1)

    running = slow.enqueue(connection)
    async with working(app, heartbeat=0.1) as worker:
        await become(connection, running, "running")
        ask(connection, worker, "stop")
        await soon(lambda: value(connection, STATE) == "draining")
    assert existing_job(connection, running.id)["state"] == "succeeded"


async def test_no_setting_ends_a_quiet_worker(app: PgQueue, connection: Connection) -> None:
    """It stays; once it resumes they hold again, and its time without a job begins anew."""
    slow, go_on = held_up(app)

    worker = working(app, heartbeat=0.1, max_idle=0.4)
    running = slow.enqueue(connection)
    run = asyncio.create_task(worker.run())
    await become(connection, running, "running")
    ask(connection, worker, "quiet")
    await soon(lambda: value(connection, STATE) == "quiet")
    await asyncio.sleep(0.6)
    go_on.set()
    await become(connection, running, "succeeded")
    await asyncio.sleep(1)
    left = slow.enqueue(connection)
    ask(connection, worker, "resume")
    await become(connection, left, "succeeded")
    async with asyncio.timeout(30):
        await run


async def test_jobs_given_back_do_not_count_for_max_jobs(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    slow, go_on = held_up(app)

    worker = working(app, heartbeat=0.1, concurrency=1, max_jobs=5)
    run = asyncio.create_task(worker.run())
    await soon(lambda: worker._parts is not None)
    parts(worker)._feeder._prefetch = lambda: 10  # type: ignore[method-assign] # as under load
    for _ in range(6):
        slow.enqueue(connection)
    await soon(lambda: parts(worker).slots.waiting == 4)
    ask(connection, worker, "quiet")
    await soon(lambda: value(connection, READY) == 5)
    go_on.set()
    await soon(lambda: value(connection, "SELECT count(*) FROM pgqueue.job_done") == 1)
    ask(connection, worker, "resume")
    async with asyncio.timeout(30):
        await run
    assert len(events.finished()) == 5


async def test_once_ends_although_quiet(app: PgQueue, connection: Connection) -> None:
    slow, go_on = held_up(app)

    worker = working(app, heartbeat=0.1, once=True)
    running = slow.enqueue(connection)
    run = asyncio.create_task(worker.run())
    await become(connection, running, "running")
    ask(connection, worker, "quiet")
    await soon(lambda: value(connection, STATE) == "quiet")
    left = slow.enqueue(connection)
    go_on.set()
    async with asyncio.timeout(30):
        await run
    assert existing_job(connection, left.id)["state"] == "queued"


async def test_who_shuts_down_hears_no_other_wish(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    slow, go_on = held_up(app)

    running = slow.enqueue(connection)
    async with working(app, heartbeat=0.1) as worker:
        await become(connection, running, "running")
        worker.stop()
        await soon(lambda: value(connection, STATE) == "draining")
        id = parts(worker).heart.worker_id
        connection.execute("INSERT INTO pgqueue.wish (worker_id, wish) VALUES (%s, 'quiet')", [id])
        await asyncio.sleep(0.5)
        assert value(connection, STATE) == "draining"
        go_on.set()
    assert not events.of(WorkerAsked)


async def test_a_new_row_of_a_worker_shows_that_it_drains(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    go_on = asyncio.Event()

    @app.task
    async def slow() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await go_on.wait()

    running = slow.enqueue(connection)
    async with working(app, heartbeat=0.1, lease=20.0) as worker:
        await become(connection, running, "running")
        worker.stop()
        await soon(lambda: values(connection, STATE) == ["draining"])
        before = parts(worker).heart.worker_id
        expire(connection, before)
        connection.execute("SELECT pgqueue.rescue()")
        await soon(lambda: values(connection, STATE) == ["draining"])
        assert parts(worker).heart.worker_id > before
        go_on.set()


async def test_quiet_while_it_starts(
    app: PgQueue, connection: Connection, other: Connection
) -> None:
    """It is registered, and has yet to say what its application declares."""

    @app.task
    async def t() -> None: ...

    worker = working(app, heartbeat=0.1)
    with other.transaction():
        other.execute("LOCK TABLE pgqueue.task_declaration IN ACCESS EXCLUSIVE MODE")
        run = asyncio.create_task(worker.run())
        await soon(lambda: values(connection, STATE) == ["running"])
        ask(connection, worker, "quiet")
        await soon(lambda: value(connection, STATE) == "quiet")
    left = t.enqueue(connection)
    await asyncio.sleep(0.5)
    assert worker._vitals.ready().reason == "quiet"
    assert existing_job(connection, left.id)["state"] == "queued"
    worker.stop()
    await run
