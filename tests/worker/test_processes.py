"""Tasks in child processes: the child's end costs its own job, and nothing else."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pgqueue import JobFailed, PgQueue
from pgqueue.events import JobFinished, LeaseWasLost
from tests.support.jobs import Connection, existing_job, row, rows, value
from tests.support.working import Events, all_ended, become, soon, working
from tests.worker import process_tasks as tasks


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[PgQueue]:
    tasks.app.configure(dsn=dsn)
    yield tasks.app
    await tasks.app.close_async()
    tasks.app.close()
    tasks.app._observers.clear()


async def test_results_errors_and_reuse(app: PgQueue, connection: Connection) -> None:
    numbers = [tasks.pid_of.enqueue(connection, n) for n in range(6)]
    broken = tasks.fails.enqueue(connection)
    async with working(app, children=2):
        results = [await number.wait_async(30) for number in numbers]
        assert [result[0] for result in results] == list(range(6))
        assert 1 <= len({pid for _, pid in results} - {os.getpid()}) <= 2
        with pytest.raises(JobFailed, match="ValueError: from a child"):
            await broken.wait_async(30)
    assert (
        "process_tasks.py" in row(connection, "SELECT traceback FROM pgqueue.failures")["traceback"]
    )


async def test_a_dead_child_costs_only_its_own_job(app: PgQueue, connection: Connection) -> None:
    dying = [
        tasks.dies.enqueue(connection, signal.SIGKILL),
        tasks.dies.enqueue(connection, signal.SIGSEGV),
        tasks.leaves.enqueue(connection),
    ]
    exiting = tasks.exits.enqueue(connection)
    good = [tasks.pid_of.enqueue(connection, n) for n in range(6)]
    async with working(app, children=2):
        for enqueued in (*dying, exiting):
            await become(connection, enqueued, "dead", within=40)
        for enqueued in good:
            await become(connection, enqueued, "succeeded", within=40)
    told = [existing_job(connection, enqueued.id)["reason"] for enqueued in (*dying, exiting)]
    for reason, part in zip(told, ("SIGKILL", "SIGSEGV", "exit code 7", "SystemExit"), strict=True):
        assert part in reason
    assert rows(connection, "SELECT * FROM pgqueue.jobs WHERE attempt <> 1") == []


async def test_a_timeout_kills_the_child(
    app: PgQueue, connection: Connection, tmp_path: Path
) -> None:
    mark = tmp_path / "pids"
    warm = tasks.pid_of.enqueue(connection, 1)
    async with working(app, children=1):
        await warm.wait_async(30)
        stuck = tasks.sleeps.using(timeout=0.3).enqueue(connection, 600, str(mark))
        await become(connection, stuck, "dead")
        assert "TaskTimeout" in existing_job(connection, stuck.id)["reason"]
        pid = int(mark.read_text())
        await soon(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))
        after = tasks.pid_of.enqueue(connection, 2)
        assert (await after.wait_async(30))[1] != pid


def _is_zombie(pid: int) -> bool:
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


async def test_waiting_for_a_child_is_not_running(
    app: PgQueue, connection: Connection, tmp_path: Path
) -> None:
    """The time limit is for the attempt: it does not pass while all children are busy."""
    jobs = [tasks.sleeps.using(timeout=5).enqueue(connection, 1.4) for _ in range(5)]
    async with working(app, children=1):
        for enqueued in jobs:
            await become(connection, enqueued, "succeeded", within=40)


async def test_cancelled_while_waiting_for_a_child(
    app: PgQueue, connection: Connection, tmp_path: Path
) -> None:
    first_mark, second_mark = tmp_path / "first", tmp_path / "second"
    first = tasks.sleeps.enqueue(connection, 600, str(first_mark))
    async with working(app, children=1):
        await soon(first_mark.exists)
        second = tasks.sleeps.enqueue(connection, 0, str(second_mark))
        await become(connection, second, "running")
        second.cancel(connection, reason="too late")
        await become(connection, second, "cancelled")
        first.cancel(connection)
        await become(connection, first, "cancelled")
        third = tasks.pid_of.enqueue(connection, 1)
        await third.wait_async(30)
    assert not second_mark.exists(), "a cancelled job was run"


async def test_progress_and_checkpoints_from_a_child(app: PgQueue, connection: Connection) -> None:
    enqueued = tasks.steps.enqueue(connection)
    async with working(app, children=1):
        assert await enqueued.wait_async(30) == [1, 2, 3]
    errors = [
        r["error_type"]
        for r in rows(connection, "SELECT error_type FROM pgqueue.failures ORDER BY attempt")
    ]
    assert errors == ["ValueError", "pgqueue.errors.WorkerLost"]


async def test_signals_from_a_child(app: PgQueue, connection: Connection) -> None:
    snooze, cancel = (tasks.signals.enqueue(connection, name) for name in ("snooze", "cancel"))
    async with working(app, children=1):
        await become(connection, snooze, "succeeded")
        await become(connection, cancel, "cancelled")
    assert existing_job(connection, snooze.id)["attempt"] == 1


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("return", None),
        ("raise after", None),
        ("die after", None),
        ("raise before", "ValueError"),
        ("rollback", "pgqueue.errors.CompletionLost"),
    ],
)
async def test_completion_inside_a_child(
    app: PgQueue, connection: Connection, events: Events, dsn: str, ending: str, error: str | None
) -> None:
    connection.execute("CREATE TABLE business (job_id bigint)")
    enqueued = tasks.completes.enqueue(connection, dsn, ending)
    async with working(app, children=1):
        await become(connection, enqueued, "succeeded")
    assert value(connection, "SELECT count(*) FROM business") == 1
    failures = [
        r["error_type"] for r in rows(connection, "SELECT error_type FROM pgqueue.failures")
    ]
    assert failures == ([] if error is None else [error])
    if ending == "return":
        assert [type(e.outcome).__name__ for e in events.of(JobFinished)] == ["Succeeded"]


async def test_a_child_that_goes_on_after_its_commit_has_lost_nothing(
    app: PgQueue, connection: Connection, events: Events, dsn: str
) -> None:
    connection.execute("CREATE TABLE business (job_id bigint)")
    enqueued = tasks.completes.enqueue(connection, dsn, "linger")
    async with working(app, children=1, heartbeat=0.1):  # many beats find no lease
        await become(connection, enqueued, "succeeded")
        await soon(lambda: events.of(JobFinished) != [])
    assert [type(e.outcome).__name__ for e in events.of(JobFinished)] == ["Succeeded"]
    assert events.of(LeaseWasLost) == []


async def test_leaving_kills_children_and_gives_their_jobs_back(
    app: PgQueue, connection: Connection, tmp_path: Path
) -> None:
    mark = tmp_path / "pids"
    enqueued = tasks.sleeps.enqueue(connection, 600, str(mark))
    async with working(app, children=1, grace=0.1):
        await soon(mark.exists)
    assert existing_job(connection, enqueued.id)["state"] == "queued"
    assert existing_job(connection, enqueued.id)["attempt"] == 0
    pid = int(mark.read_text())
    await soon(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))
    await all_ended(connection, task="nothing")
