"""Every kind of connection that a job can be enqueued on, made to look alike for the tests."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa
import sqlalchemy.ext.asyncio as sa_async
import sqlalchemy.orm as sa_orm
from sqlalchemy.pool import NullPool


@dataclass(frozen=True)
class Caller:
    """A connection of some kind, and what its owner does with it."""

    connection: Any
    is_async: bool
    _execute: Callable[[Any, str], Any]
    _savepoint: Callable[[Any], Any]

    async def settle(self, answer: Any) -> Any:
        """What pgqueue answered: something to await from async kinds, and only from them."""
        assert inspect.iscoroutine(answer) is self.is_async, answer
        return await answer if self.is_async else answer

    async def execute(self, statement: str) -> Any:
        """Run a statement of the owner; the only value of its only row, if it has one."""
        cursor = self._execute(self.connection, statement)
        if inspect.isawaitable(cursor):
            cursor = await cursor
        if isinstance(cursor, sa.CursorResult):
            return cursor.scalar() if cursor.returns_rows else None
        if cursor.description is None:
            return None
        found = cursor.fetchone()
        if inspect.isawaitable(found):
            found = await found
        return next(iter(found.values() if isinstance(found, dict) else found))

    async def commit(self) -> None:
        await self._end(self.connection.commit())

    async def rollback(self) -> None:
        await self._end(self.connection.rollback())

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """The library's own savepoint: released at the end, rolled back by an error."""
        savepoint = self._savepoint(self.connection)
        if self.is_async:
            async with savepoint:
                yield
        else:
            with savepoint:
                yield

    async def _end(self, answer: Any) -> None:
        if inspect.isawaitable(answer):
            await answer


Opener = Callable[[str], AbstractAsyncContextManager[Caller]]


def _execute_text(connection: Any, statement: str) -> Any:
    return connection.execute(sa.text(statement))


def _execute_plain(connection: Any, statement: str) -> Any:
    return connection.execute(statement)


def caller_of(connection: Any) -> Caller:
    """A connection that somebody opened, with its kind's ways."""
    if isinstance(connection, psycopg.Connection | psycopg.AsyncConnection):
        is_async = isinstance(connection, psycopg.AsyncConnection)
        return Caller(connection, is_async, _execute_plain, lambda found: found.transaction())
    kinds = sa_async.AsyncConnection | sa_async.AsyncSession | sa_async.async_scoped_session
    is_async = isinstance(connection, kinds)
    return Caller(connection, is_async, _execute_text, lambda found: found.begin_nested())


@asynccontextmanager
async def _psycopg(dsn: str) -> AsyncIterator[Caller]:
    connection = psycopg.connect(dsn)
    try:
        yield caller_of(connection)
    finally:
        connection.close()


@asynccontextmanager
async def _psycopg_async(dsn: str) -> AsyncIterator[Caller]:
    connection = await psycopg.AsyncConnection.connect(dsn)
    try:
        yield caller_of(connection)
    finally:
        await connection.close()


def engine(dsn: str, driver: str) -> sa.Engine:
    """An engine for the URL over a driver, which keeps no connection open."""
    return sa.create_engine(
        sa.make_url(dsn).set(drivername=f"postgresql+{driver}"), poolclass=NullPool
    )


def async_engine(dsn: str, driver: str) -> sa_async.AsyncEngine:
    """The same for asyncio."""
    url = sa.make_url(dsn).set(drivername=f"postgresql+{driver}")
    return sa_async.create_async_engine(url, poolclass=NullPool)


def _sqlalchemy(driver: str, make: Callable[[sa.Engine], Any]) -> Opener:
    @asynccontextmanager
    async def opened(dsn: str) -> AsyncIterator[Caller]:
        connection = make(engine(dsn, driver))
        try:
            yield caller_of(connection)
        finally:
            connection.close()

    return opened


def _sqlalchemy_async(driver: str, make: Callable[[sa_async.AsyncEngine], Any]) -> Opener:
    @asynccontextmanager
    async def opened(dsn: str) -> AsyncIterator[Caller]:
        connection = make(async_engine(dsn, driver))
        if isinstance(connection, sa_async.AsyncConnection):
            await connection.start()
        try:
            yield caller_of(connection)
        finally:
            await connection.close()

    return opened


_SYNC = {
    "Connection": lambda bind: bind.connect(),
    "Session": lambda bind: sa_orm.Session(bind),
    "scoped_session": lambda bind: sa_orm.scoped_session(sa_orm.sessionmaker(bind)),
}
_ASYNC = {
    "AsyncConnection": lambda bind: bind.connect(),
    "AsyncSession": lambda bind: sa_async.AsyncSession(bind),
    "async_scoped_session": lambda bind: sa_async.async_scoped_session(
        sa_async.async_sessionmaker(bind), scopefunc=lambda: 0
    ),
}

KINDS: dict[str, Opener] = {
    "psycopg Connection": _psycopg,
    "psycopg AsyncConnection": _psycopg_async,
    **{
        f"SQLAlchemy {name} over {driver}": _sqlalchemy(driver, make)
        for driver in ("psycopg", "psycopg2")
        for name, make in _SYNC.items()
    },
    **{
        f"SQLAlchemy {name} over {driver}": _sqlalchemy_async(driver, make)
        for driver in ("psycopg", "asyncpg")
        for name, make in _ASYNC.items()
    },
}
