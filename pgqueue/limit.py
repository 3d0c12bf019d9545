"""A limit by its name: change it while jobs run, look how it stands, or take a place under it
outside of jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, overload
from uuid import UUID

import psycopg

from .acting import act
from .bounds import check_duration, check_integer, seconds
from .database.connection import run, run_async
from .database.statement import Statement
from .errors import InvalidOption, LimitFull, SchemaMissing
from .flow import MOST_WEIGHT
from .key import bucket, check_limit_name, check_unkeyed, check_value
from .limit_rule import LimitRule, WhenFull, check_rule
from .place import Keeper, Place

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, Rows, SyncConnection

_SET, _REMOVE, _GET = (Statement(name) for name in ("set_limit", "remove_limit", "get_limit"))
_ACQUIRE, _LEAVE = Statement("acquire"), Statement("leave")
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds between tries for a place."""
LEASE_WILL_DO = (psycopg.Error, OSError, SchemaMissing)
"""What may keep a place from being given back: then it is free when its lease is over."""
SHORTEST_LEASE, LONGEST_LEASE = 1.0, 3600.0


class Home(Protocol):
    """Who has connections of its own."""

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]: ...
    def connection_async(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRecord:
    """A limit as the view `pgqueue.limits` showed it at one moment."""

    name: str
    concurrency: int | None
    rate: int | None
    per: timedelta | None
    burst: int | None
    sliding: bool
    when_full: WhenFull
    running: int
    waiting: int
    declared: bool
    changed_at: datetime


class LimitHandle:
    """A limit by its name, or one key of it. It need not have a rule yet: then it allows all.

    `set`, `remove` and `get` take your connection, sync or async, and run in its transaction.
    Without one they use a connection of the application, and commit at once.

    As a context manager, sync or async, it takes a place for the length of the block, together with
    the jobs under this limit. Many tasks and threads may use one handle at the same time.
    """

    def __init__(
        self,
        home: Home,
        keeper: Keeper,
        name: str,
        *,
        key: str | int | UUID | None = None,
        weight: int = 1,
        timeout: timedelta | float | None = None,
        lease: timedelta | float = 30.0,
    ) -> None:
        self._home = home
        self._keeper = keeper
        self.name = _bucket(name, key)
        check_integer(weight, "weight", 1, MOST_WEIGHT)
        self._patience = None if timeout is None else seconds(timeout, "timeout")
        if self._patience is not None:
            check_duration(self._patience, "timeout", at_least_zero=True)
        self._lease = seconds(lease, "lease").total_seconds()
        if not SHORTEST_LEASE <= self._lease <= LONGEST_LEASE:
            raise InvalidOption(
                f"lease lies between {SHORTEST_LEASE:g} and {LONGEST_LEASE:g} seconds, "
                f"got {self._lease:g}."
            )
        self._asking = {"name": self.name, "weight": weight, "lease": self._lease}
        self._entered: dict[object, list[Place]] = {}

    def __repr__(self) -> str:
        return f"LimitHandle({self.name})"

    @overload
    def set(self, rule: LimitRule, connection: AsyncConnection) -> Coroutine[Any, Any, None]: ...
    @overload
    def set(self, rule: LimitRule, connection: SyncConnection | None = None) -> None: ...
    def set(self, rule: LimitRule, connection: Any = None) -> Any:
        """Set the limit, or change all of it. It holds for jobs that start from the commit on;
        those that run count, and are left alone. What workers declare does not undo it.
        """
        check_rule(rule)
        parameters = {"name": self.name, **rule.parameters()}
        return act(self._home, connection, _SET, parameters, lambda rows: None)

    @overload
    def remove(self, connection: AsyncConnection) -> Coroutine[Any, Any, bool]: ...
    @overload
    def remove(self, connection: SyncConnection | None = None) -> bool: ...
    def remove(self, connection: Any = None) -> Any:
        """Take the limit away. Returns whether there was one. A worker that starts later sets it
        again if its application declares it.
        """
        parameters = {"name": self.name}
        return act(self._home, connection, _REMOVE, parameters, lambda rows: bool(rows[0][0]))

    @overload
    def get(self, connection: AsyncConnection) -> Coroutine[Any, Any, LimitRecord | None]: ...
    @overload
    def get(self, connection: SyncConnection | None = None) -> LimitRecord | None: ...
    def get(self, connection: Any = None) -> Any:
        """The limit as it stands, or None where no rule has this name."""
        return act(self._home, connection, _GET, {"name": self.name}, _record)

    def __enter__(self) -> Place:
        turns = Turns(self.name, self._patience)
        while True:
            asked = time.monotonic()
            with _alone(self._home) as connection:
                ((token, wait, when_full),) = run(connection, _ACQUIRE, self._asking)
            if token is not None:
                return self._enter(token, asked)
            time.sleep(turns.pause(wait, when_full))

    def __exit__(self, *_: object) -> None:
        place = self._exit()
        if not place.lost:
            with contextlib.suppress(*LEASE_WILL_DO), _alone(self._home) as connection:
                run(connection, _LEAVE, {"token": place.token})

    async def __aenter__(self) -> Place:
        turns = Turns(self.name, self._patience)
        while True:
            asked = time.monotonic()
            async with _alone_async(self._home) as connection:
                rows = await run_async(connection, _ACQUIRE, self._asking)
            ((token, wait, when_full),) = rows
            if token is not None:
                return self._enter(token, asked)
            await asyncio.sleep(turns.pause(wait, when_full))

    async def __aexit__(self, *_: object) -> None:
        place = self._exit()
        if not place.lost:
            with contextlib.suppress(*LEASE_WILL_DO):
                async with _alone_async(self._home) as connection:
                    await run_async(connection, _LEAVE, {"token": place.token})

    def _enter(self, token: int, asked: float) -> Place:
        place = Place(self.name, token, self._lease, asked)
        self._keeper.keep(place)
        self._entered.setdefault(_whoever(), []).append(place)
        return place

    def _exit(self) -> Place:
        """The last place that this task or thread has taken here, or else the last of all."""
        who = _whoever()
        if who not in self._entered:
            who = next(reversed(self._entered))
        place = self._entered[who].pop()
        if not self._entered[who]:
            del self._entered[who]
        self._keeper.let_go(place)
        return place


class Turns:
    """How long to wait between tries for a place, and for how long to try."""

    def __init__(self, name: str, patience: timedelta | None) -> None:
        self._name = name
        self._patience = None if patience is None else patience.total_seconds()
        self._began = time.monotonic()
        self._pause = FIRST_PAUSE

    def pause(self, wait: float | None, when_full: WhenFull) -> float:
        """Seconds until the next try; `wait` is what the database says. Raises LimitFull."""
        if when_full == "cancel_newest":
            raise self._full("it turns newcomers away")
        longest = min(self._pause, LONGEST_PAUSE)
        self._pause = longest * 1.5
        pause = longest if wait is None else max(FIRST_PAUSE, min(wait, LONGEST_PAUSE))
        pause *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        if self._patience is None:
            return pause
        left = self._began + self._patience - time.monotonic()
        if left <= 0:
            raise self._full(f"no place within {self._patience:g} s")
        return min(pause, left)

    def _full(self, why: str) -> LimitFull:
        return LimitFull(
            f'the limit "{self._name}" is full: {why}. '
            f"Try again later, or raise it: pgqueue limits set {self._name}"
        )


@contextmanager
def _alone(home: Home) -> Iterator[psycopg.Connection[Any]]:
    """A connection on which each statement is a transaction that the server ends by itself: it
    holds the lock of the gate, for which nobody should wait until we come round to a COMMIT.
    """
    with home.connection() as connection:
        connection.autocommit = True
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        connection.autocommit = False


@asynccontextmanager
async def _alone_async(home: Home) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with home.connection_async() as connection:
        await connection.set_autocommit(True)
        try:
            yield connection
        except BaseException:
            await connection.close()
            raise
        await connection.set_autocommit(False)


def _whoever() -> object:
    """The task that runs, or else the thread."""
    with contextlib.suppress(RuntimeError):
        return asyncio.current_task() or threading.get_ident()
    return threading.get_ident()


def _bucket(name: str, key: object) -> str:
    check_limit_name(name)
    if key is None:
        return name
    check_unkeyed(name)
    check_value(key, f"the key of limit {name}")
    return bucket(name, str(key))


def _record(rows: Rows) -> LimitRecord | None:
    if not rows:
        return None
    names = LimitRecord.__dataclass_fields__
    return LimitRecord(**dict(zip(names, rows[0], strict=True)))
