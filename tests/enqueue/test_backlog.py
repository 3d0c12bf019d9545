"""A job with max_backlog is refused where so many wait already; others are not looked at."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import BacklogFull, InvalidOption, PgQueue, Task
from pgqueue.database import connection as database
from tests.enqueue.kinds import Caller
from tests.support import claim, register, value

Connection = psycopg.Connection[Any]
Send = Task[..., Any]
COUNT = "SELECT count(*) FROM pgqueue.jobs"
MESSAGE = (
    '^queue "mail" has a backlog of 2 jobs or more: enqueue later, or have more workers serve it. '
    "Nothing was enqueued.$"
)


@pytest.fixture
def limited(send: Send) -> Send:
    """The task, with a queue that may hold two jobs."""
    return send.using(queue="mail", max_backlog=2)


async def test_a_refusal_leaves_the_transaction_as_it_was(
    caller: Caller, limited: Send, connection: Connection
) -> None:
    for _ in range(2):
        await caller.settle(limited.enqueue(caller.connection))
    with pytest.raises(BacklogFull, match=MESSAGE):
        await caller.settle(limited.enqueue(caller.connection))
    await caller.settle(limited.using(max_backlog=3).enqueue(caller.connection))
    await caller.settle(limited.using(queue="other").enqueue(caller.connection))
    await caller.commit()
    assert value(connection, COUNT) == 4
    claim(connection, register(connection), 2, "mail")
    await caller.settle(limited.enqueue(caller.connection))
    await caller.commit()


async def test_many_are_refused_together(
    caller: Caller, app: PgQueue, send: Send, limited: Send, connection: Connection
) -> None:
    """By what waits before them: a batch may go above it."""
    await caller.settle(app.enqueue_many(caller.connection, [limited.job() for _ in range(5)]))
    mixed = [send.job(), limited.using(max_backlog=9).job(), limited.job()]
    with pytest.raises(BacklogFull, match=MESSAGE):
        await caller.settle(app.enqueue_many(caller.connection, mixed))
    await caller.commit()
    assert value(connection, COUNT) == 5


async def test_on_a_connection_of_the_application(limited: Send, connection: Connection) -> None:
    limited.enqueue_now()
    await limited.enqueue_now_async()
    with pytest.raises(BacklogFull, match=MESSAGE):
        limited.enqueue_now()
    with pytest.raises(BacklogFull, match=MESSAGE):
        await limited.enqueue_now_async()
    assert value(connection, COUNT) == 2
    await limited._home.close_async()  # type: ignore[attr-defined]  # it is the application


def test_jobs_without_it_ask_nothing(
    app: PgQueue,
    send: Send,
    limited: Send,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def counted(connection: Any, statement: Any, parameters: Any) -> Any:
        asked.append(statement.name)
        return run(connection, statement, parameters)

    run = database._psycopg
    kinds: dict[type, Any] = {psycopg.Connection: database._PSYCOPG._replace(run=counted)}
    monkeypatch.setattr(database, "_kinds", kinds)
    send.enqueue(connection)
    app.enqueue_many(connection, [send.job() for _ in range(3)])
    assert asked == ["enqueue", "enqueue_many"]
    asked.clear()
    limited.enqueue(connection)
    app.enqueue_many(connection, [limited.job() for _ in range(3)])
    assert asked == ["backlog_below", "enqueue", "backlog_below", "enqueue_many"]


def test_a_task_may_say_it(app: PgQueue, connection: Connection) -> None:
    @app.task(max_backlog=1)
    def import_rows() -> None: ...

    import_rows.enqueue(connection)
    with pytest.raises(BacklogFull, match="of 1 jobs or more"):
        import_rows.enqueue(connection)


def test_copy_does_not_look(app: PgQueue, limited: Send, connection: Connection) -> None:
    with pytest.raises(InvalidOption, match="copy_many looks at no backlog"):
        app.copy_many(connection, [limited.job()])
    assert value(connection, COUNT) == 0


@pytest.mark.parametrize("most", [0, -1, 1.5, True])
def test_it_is_a_positive_integer(send: Send, most: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^max_backlog "):
        send.using(max_backlog=most)


def test_concurrent_producers_do_not_see_each_other(
    limited: Send, connect: Callable[..., Connection]
) -> None:
    """It is a signal, not a bound."""
    first, second = connect(autocommit=False), connect(autocommit=False)
    for producer in (first, second):
        for _ in range(2):
            limited.enqueue(producer)
    first.commit()
    second.commit()
    with pytest.raises(BacklogFull):
        limited.enqueue(first)
    first.commit()
