"""What a running worker asks of the database: which scans and updates, and how many statements."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Snooze, current_job
from pgqueue.database import link
from pgqueue.events import JobFinished
from pgqueue.outcome import Cancelled, Retrying, Snoozed, Succeeded
from tests.support.jobs import Connection, Row, row, value
from tests.support.waiting import eventually
from tests.support.working import Events, asleep, become, parts, soon, working

JOBS = 2_000
COUNTED = """
    SELECT seq_scan, n_tup_upd AS updated, n_tup_hot_upd AS hot, n_tup_del AS deleted
    FROM pg_stat_user_tables WHERE relid = 'pgqueue.job'::regclass
"""
TRANSACTIONS = """
    SELECT xact_commit + xact_rollback AS count FROM pg_stat_database
    WHERE datname = current_database()
"""


CHORE = re.compile(
    r"pgqueue\.(promote|rescue|prune|add_partition|drop_partitions|sample|count_attempts)"
)


def counted_until(connection: Connection, deleted: int) -> Row:
    """The statistics of job, once all have arrived: backends tell theirs when they end."""
    least = ("updated", "deleted")  # two connections, and either may be the last to tell
    eventually(
        lambda: min(row(connection, COUNTED)[name] for name in least) >= deleted,
        what="statistics arrive",
    )
    return row(connection, COUNTED)


@pytest.fixture
def lives(app: PgQueue, dsn: str) -> dict[str, Any]:
    """Tasks whose jobs take every turn but death."""

    @app.task(retry=lambda attempt, error: timedelta(seconds=0.01))
    async def fails_first() -> int:
        if current_job().attempt == 1:
            raise ValueError
        return 1

    @app.task
    async def snoozes_first() -> None:
        if not current_job().checkpoint:
            current_job().progress(1, checkpoint={"been": "here"})
            raise Snooze(seconds=0.01)

    @app.task
    async def completes_itself() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as own:
            await current_job().complete(own)

    @app.task
    async def waits() -> None:
        await asyncio.sleep(3600)

    return {task.__name__: task for task in (fails_first, snoozes_first, completes_itself, waits)}


async def test_only_a_thorough_rescue_reads_the_whole_table(
    app: PgQueue,
    connection: Connection,
    events: Events,
    lives: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is put off here, as it would come at a random moment."""
    monkeypatch.setattr("pgqueue.worker.janitor.THOROUGH_EVERY", 1e9)
    later = [lives["waits"].using(delay=3600).job() for _ in range(5_000)]
    app.enqueue_many(connection, later)
    connection.execute("ANALYZE pgqueue.job")
    before = row(connection, COUNTED)["seq_scan"]
    waits = [lives["waits"].enqueue(connection) for _ in range(2)]
    short = [task for name, task in lives.items() if name != "waits"]
    async with working(app, concurrency=4, grace=0.0) as worker:
        cancelled, released = waits
        await become(connection, cancelled, "running")
        cancelled.cancel(connection)
        jobs = [task.enqueue(connection) for task in short for _ in range(10)]
        jobs += [task.using(delay=0.05).enqueue(connection) for task in short]
        queued = lives["waits"].enqueue(connection)
        queued.cancel(connection)
        for job in jobs:
            await become(connection, job, "succeeded")
        await become(connection, cancelled, "cancelled")
        await soon(lambda: asleep(worker))
        await become(connection, released, "running")
    kinds = {type(event.outcome) for event in events.of(JobFinished)}
    assert kinds == {Succeeded, Retrying, Snoozed, Cancelled}
    assert released.state(connection) == "queued"
    assert counted_until(connection, len(jobs) + 2)["seq_scan"] == before


async def run_a_batch(app: PgQueue, connection: Connection, events: Events) -> None:
    """A worker with the settings that it has by itself runs JOBS jobs that do nothing."""

    @app.task
    async def nothing(text: str) -> None: ...

    app.copy_many(connection, [nothing.job("x" * (30 + n % 150)) for n in range(JOBS)])
    connection.close()
    async with app.worker():
        await soon(lambda: len(events.of(JobFinished)) == JOBS)


@pytest.mark.parametrize("keep", ["7 days", None])
async def test_nearly_all_updates_are_hot(
    app: PgQueue,
    connection: Connection,
    other: Connection,
    events: Events,
    keep: str | None,
) -> None:
    """So a job leaves one dead row and its index entries, and not two."""
    other.execute("UPDATE pgqueue.queue SET keep_succeeded = %s", [keep])
    await run_a_batch(app, connection, events)
    found = counted_until(other, JOBS)
    assert found["updated"] == found["deleted"] == JOBS
    assert found["hot"] >= 0.95 * found["updated"], found
    assert found["deleted"] + found["updated"] - found["hot"] <= 1.1 * JOBS, found


async def test_jobs_share_their_transactions(
    app: PgQueue, connection: Connection, connect: Callable[..., Connection], events: Events
) -> None:
    """Counted: 0.036 a job, start and end of the worker included. A claim or a completion
    for each job would take one each.
    """
    before = value(connect(), TRANSACTIONS)
    await run_a_batch(app, connection, events)
    other = connect()
    counted_until(other, JOBS)
    found = value(other, TRANSACTIONS) - before
    assert found <= 0.075 * JOBS


async def test_a_lone_job_takes_few_statements(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted: a claim and a completion. The bells stay where they are."""
    monkeypatch.setattr("pgqueue.worker.listener.SELF_TEST_EVERY", 60.0)
    sent: list[str] = []

    async def counted(connection: Any, query: str, *rest: Any) -> Any:
        sent.append(query)
        return await fetch(connection, query, *rest)

    fetch = link._fetch

    @app.task
    async def nothing() -> None: ...

    async with working(app, poll=60.0, heartbeat=60.0, lease=120.0) as worker:
        for _ in range(3):
            await soon(lambda: asleep(worker) and parts(worker).slots.idle)
            with monkeypatch.context() as patch:
                patch.setattr(link, "_fetch", counted)
                await become(connection, nothing.enqueue(connection), "succeeded")
            own = [query for query in sent if not CHORE.search(query)]
            assert 2 <= len(own) <= 4, own
            sent.clear()
