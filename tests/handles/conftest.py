"""An application on the test's database, whose tasks end in each of the ways."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from pgqueue import Cancel, PgQueue, current_job

Connection = psycopg.Connection[Any]
Act = Callable[..., Awaitable[Any]]


@dataclasses.dataclass
class Report:
    """A result of a type of its own."""

    month: str
    total: float
    made_at: datetime


def declare(app: PgQueue) -> None:
    """The tasks, by name."""

    @app.task
    async def report(month: str) -> Report:
        return Report(month, 12.5, datetime(2026, 11, 22, tzinfo=UTC))

    @app.task
    def nothing() -> None: ...

    @app.task(max_attempts=1)
    def broken(problem: str) -> int:
        raise RuntimeError(problem)

    @app.task
    async def quitter(reason: str) -> None:
        raise Cancel(reason)

    @app.task
    def untyped():  # type: ignore[no-untyped-def]  # what tasks without annotations return
        return {"a": [1, None, "ä"]}

    @app.task
    async def attempts() -> int:
        return current_job().attempt


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[PgQueue]:
    """The application; its connections are closed at the end."""
    found = PgQueue(dsn)
    declare(found)
    yield found
    found.close()
    await found.close_async()


@pytest.fixture(params=["sync", "async", "none"])
async def act(
    request: pytest.FixtureRequest, dsn: str, connection: Connection
) -> AsyncIterator[Act]:
    """Calls a method of a handle, with a connection of each kind or without one."""
    if request.param == "async":
        opened = await psycopg.AsyncConnection.connect(dsn, autocommit=True)

        async def on_async(method: Callable[..., Any], **options: Any) -> Any:
            return await method(opened, **options)

        yield on_async
        await opened.close()
        return

    async def on_sync(method: Callable[..., Any], **options: Any) -> Any:
        return method(*([connection] if request.param == "sync" else []), **options)

    yield on_sync
