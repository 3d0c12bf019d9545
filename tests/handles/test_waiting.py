"""wait() and wait_async(): the typed result, or why there is none, notified or not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest

from pgqueue import (
    InvalidOption,
    Job,
    JobCancelled,
    JobFailed,
    JobNotFound,
    PgQueue,
    UsageError,
    Worker,
    handle,
)
from tests.handles.conftest import Report
from tests.support import claim_one, complete, enqueue, eventually, register, value, without
from tests.support.states import fail

Connection = psycopg.Connection[Any]
Wait = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["wait", "wait_async"])
def wait(request: pytest.FixtureRequest) -> Wait:
    """Waits in each of the two ways, off the event loop where it blocks."""

    async def in_thread(job: Job[Any], timeout: float | None = 30.0) -> Any:
        return await asyncio.to_thread(job.wait, timeout)

    async def on_loop(job: Job[Any], timeout: float | None = 30.0) -> Any:
        return await job.wait_async(timeout)

    return in_thread if request.param == "wait" else on_loop


@pytest.fixture
async def worker(app: PgQueue) -> AsyncIterator[Worker]:
    """A worker of queue "default"."""
    async with app.worker(heartbeat=1, lease=3, poll=0.1) as working:
        yield working


@pytest.mark.usefixtures("worker")
async def test_the_result_has_the_annotated_type(wait: Wait, app: PgQueue) -> None:
    report = await wait(app.tasks["report"].enqueue_now("may"))
    assert isinstance(report, Report)
    assert (report.month, report.total, report.made_at.year) == ("may", 12.5, 2026)
    assert await wait(app.tasks["untyped"].enqueue_now()) == {"a": [1, None, "ä"]}
    assert await wait(app.tasks["nothing"].enqueue_now()) is None
    assert await wait(app.tasks["attempts"].enqueue_now(), None) == 1


@pytest.mark.usefixtures("worker")
async def test_a_handle_by_id_decodes_too(wait: Wait, app: PgQueue) -> None:
    job = app.tasks["report"].enqueue_now("may")
    assert isinstance(await wait(app.job(job.id)), Report)
    assert isinstance(await wait(app.job(job.id)), Report), "again, after it has ended"


@pytest.mark.usefixtures("worker")
async def test_a_dead_job_raises_its_last_error(wait: Wait, app: PgQueue) -> None:
    job = app.tasks["broken"].enqueue_now("no disk")
    with pytest.raises(JobFailed) as caught:
        await wait(job)
    assert str(caught.value) == f"job {job.id} (broken) is dead: RuntimeError: no disk"


@pytest.mark.usefixtures("worker")
async def test_a_cancelled_job_raises_its_reason(wait: Wait, app: PgQueue) -> None:
    job = app.tasks["quitter"].enqueue_now("user is gone")
    with pytest.raises(JobCancelled) as caught:
        await wait(job)
    assert str(caught.value) == f"job {job.id} (quitter) was cancelled: user is gone"


async def test_cancelled_by_somebody_while_waiting(
    wait: Wait, app: PgQueue, connection: Connection
) -> None:
    job = app.tasks["nothing"].enqueue_now()
    waiting = asyncio.create_task(wait(job))
    await asyncio.to_thread(eventually, lambda: _awaited(connection, job.id))
    job.cancel(connection)
    with pytest.raises(JobCancelled, match=f"^job {job.id} \\(nothing\\) was cancelled$"):
        await waiting


async def test_time_runs_out(wait: Wait, app: PgQueue, connection: Connection) -> None:
    job = app.tasks["nothing"].enqueue_now()
    for timeout in (0.05, 0):
        with pytest.raises(TimeoutError) as caught:
            await wait(job, timeout)
        late = f"job {job.id} did not end in time; it goes on."
        cause = 'No live worker serves queue "default": there is no live worker.'
        assert str(caught.value) == f"{late} {cause}"
    assert job.state(connection) == "queued"


async def test_time_runs_out_for_a_job_that_failed(
    wait: Wait, app: PgQueue, connection: Connection
) -> None:
    job = app.tasks["nothing"].enqueue_now()
    fail(connection, claim_one(connection), "1 hour")
    with pytest.raises(TimeoutError, match=r"attempt 1 of 20: shop.*: card declined\.") as caught:
        await wait(job, 0)
    assert "last failure" not in str(caught.value)
    assert job.retry(connection)
    cause = r"No live worker .* Its last failure: shop.gateway.CardDeclined: card declined\.$"
    with pytest.raises(TimeoutError, match=cause):
        await wait(job, 0)


async def test_time_runs_out_and_nobody_can_say_why(
    wait: Wait, app: PgQueue, connection: Connection
) -> None:
    job = app.tasks["nothing"].enqueue_now()
    without(connection, "why", "BEGIN", "BEGIN RAISE EXCEPTION 'gone';")
    with pytest.raises(TimeoutError, match=rf"^job {job.id} did not end in time; it goes on\.$"):
        await wait(job, 0)


async def test_a_timeout_that_is_no_duration(wait: Wait, app: PgQueue) -> None:
    with pytest.raises(InvalidOption, match=r"^timeout is a timedelta or a number of seconds"):
        await wait(app.job(1), "soon")


async def test_a_job_that_is_not_committed_is_explained(wait: Wait, app: PgQueue, dsn: str) -> None:
    with psycopg.connect(dsn) as owner:
        job = app.tasks["nothing"].enqueue(owner)
        with pytest.raises(JobNotFound, match=r"Commit the transaction that enqueued it before"):
            await wait(job)
        owner.rollback()


async def test_a_queue_that_keeps_nothing_still_delivers_what_is_awaited(
    wait: Wait, app: PgQueue, connection: Connection
) -> None:
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL WHERE name = 'default'")
    awaited = app.tasks["attempts"].enqueue_now()
    unseen = app.tasks["attempts"].enqueue_now()
    waiting = asyncio.create_task(wait(awaited))
    await asyncio.to_thread(eventually, lambda: _awaited(connection, awaited.id))
    async with app.worker(heartbeat=1, lease=3, once=True):
        assert await waiting == 1
    with pytest.raises(JobNotFound, match="its queue does not keep succeeded jobs"):
        await wait(unseen)


async def test_it_needs_no_notification(wait: Wait, app: PgQueue, connection: Connection) -> None:
    """Nobody is told of the end; the next look finds it."""
    job = app.tasks["attempts"].enqueue_now()
    without(connection, "complete", "pg_notify('pgqueue_finished'", "pg_notify('nowhere'")
    waiting = asyncio.create_task(wait(job))
    await asyncio.to_thread(eventually, lambda: _awaited(connection, job.id))
    claimed = claim_one(connection)
    complete(connection, claimed, results={str(job.id): 1})
    assert await waiting == 1


async def test_it_needs_no_poll(
    wait: Wait, app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hours between looks, only the notification can end it."""
    monkeypatch.setattr(handle, "POLL", 3600.0)
    job = app.tasks["attempts"].enqueue_now()
    waiting = asyncio.create_task(wait(job, 100.0))
    await asyncio.to_thread(eventually, lambda: _awaited(connection, job.id))
    complete(connection, claim_one(connection), results={str(job.id): 1})
    assert await waiting == 1


async def test_it_ends_between_the_first_look_and_the_wait(
    wait: Wait, app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job ends exactly when the waiter decides how long to sleep: it must not sleep."""
    monkeypatch.setattr(handle, "POLL", 3600.0)
    job = app.tasks["attempts"].enqueue_now()
    pause = handle._pause

    def end_it_first(deadline: float | None) -> float:
        complete(connection, claim_one(connection), results={str(job.id): 1})
        return pause(deadline)

    monkeypatch.setattr(handle, "_pause", end_it_first)
    assert await wait(job, 100.0) == 1


async def test_it_has_ended_before_anybody_waits(
    wait: Wait, app: PgQueue, connection: Connection
) -> None:
    job = app.tasks["attempts"].enqueue_now()
    complete(connection, claim_one(connection), results={str(job.id): 7})
    assert await wait(job, 0) == 7


async def test_a_result_that_does_not_fit_any_more(
    wait: Wait, app: PgQueue, connection: Connection
) -> None:
    job = app.tasks["attempts"].enqueue_now()
    complete(connection, claim_one(connection), results={str(job.id): "seven"})
    with pytest.raises(UsageError, match=r"^attempts: result: expected int, got str$"):
        await wait(job)


async def test_a_task_that_this_application_does_not_know(
    wait: Wait, app: PgQueue, connection: Connection
) -> None:
    job = app.job(enqueue(connection, "elsewhere"))
    worker = register(connection, tasks=["elsewhere"])
    complete(connection, claim_one(connection, worker), results={str(job.id): {"a": 1}})
    assert await wait(job) == {"a": 1}


async def test_waiting_can_be_given_up(app: PgQueue, connection: Connection) -> None:
    job = app.tasks["nothing"].enqueue_now()
    waiting = asyncio.create_task(job.wait_async())
    await asyncio.to_thread(eventually, lambda: _awaited(connection, job.id))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def _awaited(connection: Connection, id: int) -> bool:
    return bool(value(connection, "SELECT awaited FROM pgqueue.job WHERE id = %s", id))
