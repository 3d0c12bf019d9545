"""A handle looks, cancels and retries: on a sync connection, an async one, or the application's."""

from typing import Any

import psycopg
import pytest

from pgqueue import JobNotFound, JobRecord, PgQueue
from tests.handles.conftest import Act
from tests.support import claim_one, complete, enqueue, value

Connection = psycopg.Connection[Any]


async def test_get_tells_everything(act: Act, app: PgQueue, connection: Connection) -> None:
    id = enqueue(connection, "report", args={"month": "may"}, tags=["a"], meta={"m": 1})
    record = await act(app.job(id).get)
    assert isinstance(record, JobRecord)
    assert (record.id, record.task, record.queue, record.state) == (
        id,
        "report",
        "default",
        "queued",
    )
    assert (record.args, record.meta, record.tags) == ('{"month": "may"}', '{"m": 1}', ["a"])
    assert (record.attempt, record.max_attempts, record.priority) == (0, 20, 0)
    assert record.enqueued_at.tzinfo is not None
    assert not record.finished


async def test_states(act: Act, app: PgQueue, connection: Connection) -> None:
    job = app.job(enqueue(connection, "t"))
    assert await act(job.state) == "queued"
    claimed = claim_one(connection)
    assert await act(job.state) == "running"
    complete(connection, claimed, results={str(job.id): 42})
    assert await act(job.state) == "succeeded"
    record = await act(job.get)
    assert (record.result, record.finished) == ("42", True)
    assert record.finished_at >= record.started_at >= record.enqueued_at


async def test_cancel_and_retry(act: Act, app: PgQueue, connection: Connection) -> None:
    job = app.job(enqueue(connection, "t"))
    assert await act(job.retry) is False, "it is queued"
    assert await act(job.cancel, reason="not today") is True
    record = await act(job.get)
    assert (record.state, record.reason) == ("cancelled", "not today")
    assert await act(job.retry) is True
    assert await act(job.state) == "queued"


async def test_cancel_of_a_running_job_is_a_request(
    act: Act, app: PgQueue, connection: Connection
) -> None:
    job = app.job(enqueue(connection, "t"))
    claim_one(connection)
    assert await act(job.cancel) is True
    record = await act(job.get)
    assert record.state == "running"
    assert record.cancel_requested_at is not None


async def test_a_job_that_is_not_there(act: Act, app: PgQueue) -> None:
    missing = app.job(12345)
    for method in (missing.get, missing.state):
        with pytest.raises(JobNotFound) as caught:
            await act(method)
        assert str(caught.value) == (
            "there is no job 12345 that this connection can see: it is not committed, "
            "its queue does not keep succeeded jobs, or it was pruned."
        )
    assert await act(missing.cancel) is False
    assert await act(missing.retry) is False


def test_a_handle_is_in_the_transaction_of_its_connection(
    app: PgQueue, connection: Connection, dsn: str
) -> None:
    job = app.job(enqueue(connection, "t"))
    with psycopg.connect(dsn) as owner:
        assert job.cancel(owner)
        assert job.state(owner) == "cancelled"
        assert job.state() == "queued", "the owner has not committed"
        owner.rollback()
    assert job.state() == "queued"


async def test_enqueue_now_commits_at_once(app: PgQueue, connection: Connection) -> None:
    now = app.tasks["report"].using(queue="a").enqueue_now("may")
    soon = await app.tasks["report"].using(queue="b").enqueue_now_async(month="june")
    query = "SELECT args ->> 'month' FROM pgqueue.jobs WHERE id = %s AND queue = %s"
    assert value(connection, query, now.id, "a") == "may"
    assert value(connection, query, soon.id, "b") == "june"


def test_handles_are_equal_by_id(app: PgQueue) -> None:
    assert app.job(1) == app.job(1) != app.job(2)
    assert len({app.job(1), app.job(1)}) == 1
    assert app.job(1) != 1
    assert repr(app.job(1)) == "Job(#1)"


def test_a_closed_application_opens_again(app: PgQueue, connection: Connection) -> None:
    job = app.tasks["nothing"].enqueue_now()
    app.close()
    assert job.state() == "queued"


async def test_why(act: Act, app: PgQueue, connection: Connection) -> None:
    job = app.job(enqueue(connection, "t"))
    assert await act(job.why) == ('No live worker serves queue "default": there is no live worker.')
    complete(connection, claim_one(connection))
    assert (await act(job.why)).startswith("It succeeded at ")
    assert await act(app.job(12345).why) == (
        f"Job 12345 was never enqueued: the last number given is {job.id}."
    )
