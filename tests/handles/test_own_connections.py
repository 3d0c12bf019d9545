"""The application's own connections: few, shared, and gone when their event loop is."""

import asyncio
import threading
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, UsageError
from tests.handles.conftest import declare
from tests.support import eventually, values

Connection = psycopg.Connection[Any]


@pytest.fixture
def app(dsn: str) -> PgQueue:
    """An application that its test closes."""
    found = PgQueue(dsn)
    declare(found)
    return found


def own(connection: Connection) -> int:
    """How many connections the application has open."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgqueue app' "
    return len(values(connection, query + "AND datname = current_database()"))


def test_event_loops_that_ended_leave_no_connections(app: PgQueue, connection: Connection) -> None:
    for _ in range(5):
        asyncio.run(app.tasks["nothing"].enqueue_now_async())
        eventually(lambda: own(connection) <= 1)
    app.close()
    eventually(lambda: own(connection) == 0)
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [5]


async def test_many_at_once_share_few_connections(app: PgQueue, connection: Connection) -> None:
    enqueue = app.tasks["nothing"].enqueue_now_async
    jobs = await asyncio.gather(*(enqueue() for _ in range(50)))
    assert len({job.id for job in jobs}) == 50
    assert 1 <= own(connection) <= 4
    await app.close_async()
    assert (await enqueue()).id not in {job.id for job in jobs}
    await app.close_async()


def test_threads_share_few_connections(app: PgQueue, connection: Connection) -> None:
    threads = [threading.Thread(target=app.tasks["nothing"].enqueue_now) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [20]
    assert 1 <= own(connection) <= 4
    app.close()


async def test_a_lost_connection_is_replaced(app: PgQueue, connection: Connection) -> None:
    app.tasks["nothing"].enqueue_now()
    query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    ours = "WHERE application_name = 'pgqueue app' AND datname = current_database()"
    connection.execute(query + ours)
    job = await asyncio.to_thread(eventually, lambda: _attempt(app))
    assert job.state(connection) == "queued"
    app.close()


def _attempt(app: PgQueue) -> Any:
    try:
        return app.tasks["nothing"].enqueue_now()
    except psycopg.OperationalError:
        return None


async def test_what_fails_is_rolled_back_and_the_connection_goes_on(
    app: PgQueue, connection: Connection
) -> None:
    def fail_after_enqueueing() -> None:
        with app.connection() as own_connection:
            app.tasks["nothing"].enqueue(own_connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_enqueueing()
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [0]
    app.tasks["nothing"].enqueue_now()
    app.close()


async def test_pointed_elsewhere_only_when_nothing_is_open(app: PgQueue) -> None:
    await app.tasks["nothing"].enqueue_now_async()
    with pytest.raises(UsageError, match="connected already"):
        app.configure(dsn="postgresql://127.0.0.1:1/none")
    await app.close_async()
    app.configure(dsn="postgresql://127.0.0.1:1/none")
    assert app.dsn == "postgresql://127.0.0.1:1/none"
