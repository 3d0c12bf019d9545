"""What an application declares: its tasks, and what its workers open and observe."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

import msgspec
import psycopg

from . import bulk
from .database.connection import is_async, psycopg_connection
from .database.dsn import checked_dsn
from .database.pools import Pools
from .definition import RunIn, define
from .errors import DuplicateTask, UnknownTask, UsageError
from .events import Observer
from .handle import Job
from .job import DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, JobOptions, NewJob
from .retry import RetryPolicy
from .running import RunningJob
from .task import AsyncTask, SyncTask, Task

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection

P = ParamSpec("P")
R = TypeVar("R")

Middleware = Callable[[RunningJob, Callable[[], Awaitable[Any]]], Awaitable[Any]]
Lifespan = Callable[["Application"], AbstractAsyncContextManager[Mapping[str, Any] | None]]


class Decorator(Protocol):
    """What `@app.task(...)` is: it keeps the signature of what it decorates."""

    # Every coroutine function is a function too; the first overload that fits is the right one.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...


class Application:
    """The part of `PgQueue` that workers need to know."""

    def __init__(
        self,
        dsn: str | None = None,
        *,
        max_args_bytes: int = 1024 * 1024,
        max_result_bytes: int = 1024 * 1024,
    ) -> None:
        self._pools = Pools(checked_dsn(dsn))
        self.max_args_bytes = max_args_bytes
        self.max_result_bytes = max_result_bytes
        self._tasks: dict[str, Task[..., Any]] = {}
        self._names: dict[str, Task[..., Any]] = {}
        self._lifespan: Lifespan | None = None
        self._middleware: list[Middleware] = []
        self._observers: list[Observer] = []

    @property
    def dsn(self) -> str:
        return self._pools.dsn

    def configure(self, *, dsn: str) -> None:
        """Point the application at another database, before it connects for the first time."""
        if self._pools.opened:
            raise UsageError("the application is connected already: close() it before configure().")
        self._pools = Pools(checked_dsn(dsn))

    # Declaring

    # Every coroutine function is a function too; the first overload that fits is the right one.
    @overload
    def task(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        aliases: Iterable[str] = (),
        queue: str = DEFAULT_QUEUE,
        priority: int = 0,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        retry: RetryPolicy | None = None,
        timeout: timedelta | float | None = None,
        run_in: RunIn | None = None,
    ) -> Decorator: ...
    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        aliases: Iterable[str] = (),
        queue: str = DEFAULT_QUEUE,
        priority: int = 0,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        retry: RetryPolicy | None = None,
        timeout: timedelta | float | None = None,
        run_in: RunIn | None = None,
    ) -> Any:
        """Make a task of a function; `async def` runs on the event loop, `def` in a thread.

        The task's name is the function's, whatever module it stands in; `aliases` are names that
        jobs enqueued before a renaming still carry. `retry` maps (attempt, error) to a delay.
        `timeout` is a timedelta or seconds for one attempt. `run_in="process"` runs a plain
        function in a child process, for work that would hold the interpreter. Raises UsageError at
        once for what cannot work.
        """
        options = JobOptions(queue=queue, priority=priority, max_attempts=max_attempts)

        def declare(function: Callable[..., Any]) -> Task[..., Any]:
            definition = define(
                function, name=name, aliases=aliases, retry=retry, timeout=timeout, run_in=run_in
            )
            kind = AsyncTask if inspect.iscoroutinefunction(function) else SyncTask
            return self._register(kind(self, definition, options))

        return declare if function is None else declare(function)

    def lifespan(self, function: Callable[[Application], Any]) -> Callable[[Application], Any]:
        """What workers open before their first job and close after their last: an async generator
        function, or one that returns an async context manager, that yields a mapping of resources.
        Handlers find it as `current_job().resources`.
        """
        if self._lifespan is not None:
            raise UsageError("the application has a lifespan already; open everything in one.")
        self._lifespan = (
            asynccontextmanager(function) if inspect.isasyncgenfunction(function) else function
        )
        return function

    def middleware(self, function: Middleware) -> Middleware:
        """Wrap every attempt: `async def middleware(job, call_next): return await call_next()`.

        The first one declared is the outermost. What it raises is the outcome of the attempt.
        """
        if not inspect.iscoroutinefunction(function):
            raise UsageError("middleware is `async def middleware(job, call_next)`.")
        self._middleware.append(function)
        return function

    def observer(self, function: Observer) -> Observer:
        """Call `function(event)` for what happens in workers, on the event loop: be quick."""
        self._observers.append(function)
        return function

    # Looking

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """The tasks by name, without aliases."""
        return MappingProxyType(self._tasks)

    @property
    def middlewares(self) -> tuple[Middleware, ...]:
        return tuple(self._middleware)

    @property
    def observers(self) -> tuple[Observer, ...]:
        return tuple(self._observers)

    def find_task(self, name: str) -> Task[..., Any]:
        """The task of this name or alias. Raises UnknownTask."""
        found = self._names.get(name)
        if found is None:
            close = difflib.get_close_matches(name, self._names, n=1)
            hint = f" Did you mean {close[0]}?" if close else " Is its module imported?"
            raise UnknownTask(f'no task named "{name}".{hint}')
        return found

    def knows(self, name: str) -> Task[..., Any] | None:
        """The task of this name or alias, or None."""
        return self._names.get(name)

    def resources(self) -> AbstractAsyncContextManager[Mapping[str, Any] | None]:
        """What `lifespan` opens, for one worker process."""
        return _nothing() if self._lifespan is None else self._lifespan(self)

    def decode_result(self, task: str, text: str) -> Any:
        """A stored result as the type that its task declares, or as plain JSON types."""
        known = self._names.get(task)
        return (
            msgspec.json.decode(text)
            if known is None
            else known.definition.arguments.decode_result(text)
        )

    # Acting

    def job(self, id: int) -> Job[Any]:
        """A handle to the job with this id. Nothing is looked up yet."""
        return Job(self, id)

    @overload
    def enqueue_many(
        self, connection: AsyncConnection, jobs: Iterable[NewJob]
    ) -> Coroutine[Any, Any, list[Job[Any]]]: ...
    @overload
    def enqueue_many(
        self, connection: SyncConnection, jobs: Iterable[NewJob]
    ) -> list[Job[Any]]: ...
    def enqueue_many(self, connection: Any, jobs: Iterable[NewJob]) -> Any:
        """Enqueue jobs made by `task.job(...)` in your transaction, a thousand to a round trip."""
        jobs = list(jobs)
        if is_async(connection):
            return self._enqueue_many_async(connection, jobs)
        return self._handles(bulk.enqueue_many(connection, jobs, self.max_args_bytes), jobs)

    async def _enqueue_many_async(self, connection: Any, jobs: list[NewJob]) -> list[Job[Any]]:
        return self._handles(
            await bulk.enqueue_many_async(connection, jobs, self.max_args_bytes), jobs
        )

    def _handles(self, ids: list[int], jobs: list[NewJob]) -> list[Job[Any]]:
        pairs = zip(ids, jobs, strict=True)
        return [Job(self, id, job.task, job.options.queue) for id, job in pairs]

    @overload
    def copy_many(
        self, connection: psycopg.AsyncConnection[Any], jobs: Iterable[NewJob]
    ) -> Coroutine[Any, Any, int]: ...
    @overload
    def copy_many(self, connection: psycopg.Connection[Any], jobs: Iterable[NewJob]) -> int: ...
    def copy_many(self, connection: Any, jobs: Iterable[NewJob]) -> Any:
        """COPY jobs in your transaction: the quickest way in for tens of thousands. Returns their
        number.
        """
        raw = psycopg_connection(connection)
        return bulk.copy_many_async(raw, jobs) if is_async(raw) else bulk.copy_many(raw, jobs)

    # Connecting

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A pooled connection; the transaction on it is committed at the end of the block."""
        return self._pools.connection()

    def connection_async(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """The same on the running event loop; each loop has a pool of its own."""
        return self._pools.connection_async()

    def close(self) -> None:
        """Close the pooled connections. They open again when they are needed."""
        self._pools.close()

    async def close_async(self) -> None:
        """Close the pooled connections of the running event loop."""
        await self._pools.close_async()

    def _register(self, task: Task[..., Any]) -> Task[..., Any]:
        for name in (task.name, *task.definition.aliases):
            known = self._names.get(name)
            if known is not None:
                raise DuplicateTask(
                    f'two tasks are named "{name}": {known.__module__}.{known.__qualname__} and '
                    f"{task.__module__}.{task.__qualname__}. Give one of them name=."
                )
        self._names.update(dict.fromkeys((task.name, *task.definition.aliases), task))
        self._tasks[task.name] = task
        return task


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield None
