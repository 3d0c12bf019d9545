"""A job that blocks the loop, or is locked by somebody, keeps what it has and costs no other."""

import asyncio
import threading
import time

import pytest

from pgqueue import PgQueue
from pgqueue.events import Trouble
from pgqueue.worker import finisher
from tests.support.jobs import Connection, row
from tests.support.working import Events, application, become, soon, working


@pytest.mark.slow
async def test_a_blocked_event_loop_keeps_its_job(
    dsn: str, app: PgQueue, connection: Connection, events: Events
) -> None:
    """Although another worker, on a loop of its own, would take it."""
    runs: list[str] = []
    begun, stop = threading.Event(), threading.Event()

    @app.task
    async def blocks() -> None:
        runs.append("here")
        begun.set()
        time.sleep(3.5)  # longer than the lease, on purpose

    async def wait_for_it() -> None:
        await asyncio.to_thread(begun.wait, 30)
        async with application(dsn) as other:

            @other.task(name="blocks")
            async def taken() -> None:
                runs.append("there")

            async with working(other, concurrency=1):
                await asyncio.to_thread(stop.wait, 30)

    enqueued = blocks.enqueue(connection)
    thread = threading.Thread(target=asyncio.run, args=(wait_for_it(),))
    thread.start()
    async with working(app, grace=20.0):
        await become(connection, enqueued, "succeeded")
        stop.set()
        await asyncio.to_thread(thread.join, 30)
    assert runs == ["here"]
    assert events.of(Trouble) == []


async def test_a_job_locked_by_others_costs_only_itself(
    app: PgQueue, connection: Connection, other: Connection
) -> None:
    """A cancel that somebody has not committed yet holds one row; other jobs end meanwhile."""
    go_on = asyncio.Event()

    @app.task
    async def waits() -> None:
        await go_on.wait()

    @app.task
    async def good() -> None: ...

    locked = waits.enqueue(connection)
    async with working(app, concurrency=4):
        await become(connection, locked, "running")
        other.execute("BEGIN")
        locked.cancel(other)
        go_on.set()
        after = [good.enqueue(connection) for _ in range(20)]
        for enqueued in after:
            await become(connection, enqueued, "succeeded", within=10)
        other.execute("ROLLBACK")
        await become(connection, locked, "succeeded", within=60)


async def test_an_end_that_a_trigger_refuses_costs_only_its_job(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    connection.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'nothing may be said of broken'; END $$
    """)
    connection.execute("""
        CREATE TRIGGER refuse BEFORE INSERT ON pgqueue.failure FOR EACH ROW
        WHEN (NEW.message = 'broken') EXECUTE FUNCTION refuse()
    """)

    @app.task(max_attempts=1)
    async def fails(message: str) -> None:
        raise ValueError(message)

    refused = fails.enqueue(connection, "broken")
    others = [fails.enqueue(connection, "sound") for _ in range(5)]
    async with working(app):
        for enqueued in others:
            await become(connection, enqueued, "dead")
        assert refused.state(connection) == "running"
        assert "nothing may be said of broken" in events.of(Trouble)[0].error
        connection.execute("DROP TRIGGER refuse ON pgqueue.failure")
        await become(connection, refused, "dead")


REFUSE_EVERY_END = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON pgqueue.job_done FOR EACH ROW EXECUTE FUNCTION refuse();
"""


async def test_a_success_that_a_trigger_refuses_is_no_failure(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    connection.execute(REFUSE_EVERY_END)

    @app.task
    async def succeeds() -> None: ...

    enqueued = succeeds.enqueue(connection)
    async with working(app):
        await soon(lambda: events.of(Trouble))
        connection.execute("DROP TRIGGER refuse ON pgqueue.job_done")
        await become(connection, enqueued, "succeeded")


async def test_a_worker_that_is_to_stop_does_not_wait_for_ever_for_a_refused_end(
    app: PgQueue, connection: Connection, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(REFUSE_EVERY_END)
    monkeypatch.setattr(finisher, "LAST_WRITES", 0.5)

    @app.task
    async def succeeds() -> None: ...

    enqueued = succeeds.enqueue(connection)
    await app.worker(once=True).run()
    assert events.of(Trouble)[0].where == "finish"
    assert enqueued.state(connection) == "running"


async def test_a_row_locked_while_claimers_looked_is_found_soon(
    app: PgQueue, connection: Connection, other: Connection
) -> None:
    @app.task
    async def t() -> None: ...

    locked = t.enqueue(connection)
    other.execute("BEGIN")
    other.execute("SELECT FROM pgqueue.job WHERE id = %s FOR UPDATE", [locked.id])
    async with working(app):
        after = t.enqueue(connection)
        await become(connection, after, "succeeded")
        other.execute("ROLLBACK")
        await become(connection, locked, "succeeded", within=60)
    assert row(connection, "SELECT count(*) FROM pgqueue.jobs")["count"] == 2
