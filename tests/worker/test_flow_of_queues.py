"""Pauses that end by themselves, and jobs that rise while they wait, in a running worker."""

from datetime import timedelta
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.database import link
from tests.support.jobs import Connection, existing_job, row, state
from tests.support.working import Events, asleep, become, parts, soon, working


async def test_a_pause_ends_by_itself(app: PgQueue, connection: Connection) -> None:
    """Nobody rings when it does: the worker looks by itself."""

    @app.task
    async def nothing() -> None: ...

    app.queue("default").pause(connection, until=timedelta(seconds=0.5), reason="lunch")
    paused = row(connection, "SELECT * FROM pgqueue.queue")
    job = nothing.enqueue(connection)
    async with working(app, poll=0.2) as worker:
        await soon(lambda: asleep(worker))
        assert state(connection, job.id) == "queued"
        await become(connection, job, "succeeded")
    assert existing_job(connection, job.id)["started_at"] >= paused["paused_until"]


async def test_who_waits_runs_at_last(
    app: PgQueue, connection: Connection, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of high priority never end here: each enqueues the next before it does."""
    monkeypatch.setattr("pgqueue.worker.janitor.AGE_EVERY", 0.05)
    monkeypatch.setattr("pgqueue.worker.janitor.AWAKE_SLEEP", 0.05)

    @app.task(priority=5)
    async def high() -> None:
        await high.enqueue_now_async()

    @app.task(priority=-10)
    async def low() -> None: ...

    app.enqueue_many(connection, [high.job() for _ in range(5)])
    job = low.enqueue(connection)
    async with working(app, concurrency=1, prefetch=0):
        await soon(lambda: len(events.started("high")) > 100)
        assert state(connection, job.id) == "queued"
        app.queue("default").set_ageing(connection, ageing=1)
        await become(connection, job, "succeeded")
        await become(connection, low.enqueue(connection), "succeeded")
        connection.execute("DELETE FROM pgqueue.job WHERE lease IS NULL")
    assert existing_job(connection, job.id)["priority"] >= 5


async def test_only_queues_that_age_cost_statements(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    async def counted(connection: Any, query: str, *rest: Any) -> Any:
        sent.append(query)
        return await fetch(connection, query, *rest)

    fetch = link._fetch
    monkeypatch.setattr(link, "_fetch", counted)

    def asked() -> int:
        return sum("pgqueue.age(" in query for query in sent)

    async with working(app) as worker:
        janitor = parts(worker)._janitor
        for _ in range(5):
            await janitor.run_once()
        assert asked() == 0
        app.queue("default").set_ageing(connection, ageing=60)
        await janitor.run_once()
        assert asked() == 1
        app.queue("default").set_ageing(connection, ageing=None)
        await janitor.run_once()
        janitor._age_due = 0
        await janitor.run_once()
        assert asked() == 1
