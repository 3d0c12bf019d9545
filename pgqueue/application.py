"""What an application declares: its tasks, and what its workers open and observe."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, overload

import msgspec

from .connecting import Connecting
from .decorator import Decorator
from .definition import Definition, RunIn, define
from .enqueueing_many import EnqueueingMany
from .errors import DuplicateTask, UnknownTask, UsageError
from .events import Observer
from .flow import FlowOptions, changed_flow
from .handle import Job
from .job import DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, JobOptions
from .lifespan import Lifespan, Opened, Resources, check_lifespan
from .limit_rule import LimitRule, check_declared
from .pausing import Pausing
from .queue_handle import Queue
from .redaction import check_paths
from .retry import RetryPolicy
from .running import RunningJob
from .schedule import Schedule, declared
from .schedule_handle import ScheduleHandle
from .scheduling import Scheduling
from .task import AsyncTask, SyncTask, Task

if TYPE_CHECKING:
    from typing import Self

P = ParamSpec("P")
R = TypeVar("R")

Middleware = Callable[[RunningJob, Callable[[], Awaitable[Any]]], Awaitable[Any]]
Opens = TypeVar("Opens", bound=AsyncIterator[Resources] | AbstractAsyncContextManager[Resources])


class Application(Connecting, EnqueueingMany, Pausing, Scheduling):
    """The part of `PgQueue` that workers need to know."""

    def __init__(
        self,
        dsn: str | None = None,
        *,
        max_args_bytes: int = 1024 * 1024,
        max_result_bytes: int = 1024 * 1024,
        limits: Mapping[str, LimitRule] | None = None,
        redact: Iterable[str] = (),
    ) -> None:
        super().__init__(dsn)
        self.max_args_bytes = max_args_bytes
        self.max_result_bytes = max_result_bytes
        self.limits: Mapping[str, LimitRule] = MappingProxyType(check_declared(limits or {}))
        self._redact = check_paths(redact)
        self._tasks: dict[str, Task[..., Any]] = {}
        self._names: dict[str, Task[..., Any]] = {}
        self._schedules: dict[str, Schedule] = {}
        self._lifespan: Lifespan | None = None
        self._middleware: list[Middleware] = []
        self._observers: list[Observer] = []

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
        max_backlog: int | None = None,
        cron: str | None = None,
        timezone: str | None = None,
        schedule: Schedule | None = None,
        redact: Iterable[str] = (),
        **flow: Unpack[FlowOptions],
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
        max_backlog: int | None = None,
        cron: str | None = None,
        timezone: str | None = None,
        schedule: Schedule | None = None,
        redact: Iterable[str] = (),
        **flow: Unpack[FlowOptions],
    ) -> Any:
        """Make a task of a function; `async def` runs on the event loop, `def` in a thread.

        The task's name is the function's, whatever module it stands in; `aliases` are names that
        jobs enqueued before a renaming still carry. `retry` maps (attempt, error) to a delay.
        `timeout` is a timedelta or seconds for one attempt. `run_in="process"` runs a plain
        function in a child process, for work that would hold the interpreter. `cron` (in `timezone`
        or UTC) or `schedule` says when workers enqueue it by themselves. `redact` names arguments
        that nobody is shown: "card", "*.token". Other options are those of `FlowOptions`. Raises
        UsageError at once for what cannot work.
        """
        times = declared(schedule, cron, timezone)
        options = JobOptions(
            queue=queue, priority=priority, max_attempts=max_attempts, max_backlog=max_backlog
        )

        defined = functools.partial(
            define, name=name, aliases=aliases, retry=retry, timeout=timeout
        )

        def declare(function: Callable[..., Any]) -> Task[..., Any]:
            definition = defined(function, run_in=run_in, redact=redact)
            return self._make(definition, options, flow, times)

        return declare if function is None else declare(function)

    def lifespan(self, function: Callable[[Self], Opens]) -> Callable[[Self], Opens]:
        """What workers open before their first job and close after their last: an async generator
        function, or one that returns an async context manager, that yields a mapping of resources.
        Handlers find it as `current_job().resources`. Raises UsageError for what cannot work.
        """
        if self._lifespan is not None:
            raise UsageError("the application has a lifespan already; open everything in one.")
        self._lifespan = check_lifespan(function)
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
        return nullcontext() if self._lifespan is None else Opened(self._lifespan, self)

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

    def queue(self, name: str) -> Queue:
        """A handle to the queue of this name. Nothing is looked up yet."""
        return Queue(self, name)

    def schedule(self, name: str) -> ScheduleHandle:
        """A handle to the schedule with this name. Nothing is looked up yet."""
        return ScheduleHandle(self, name, declared=name in self._schedules)

    def _make(
        self, definition: Definition, options: JobOptions, flow: FlowOptions, times: Schedule | None
    ) -> Task[..., Any]:
        arguments = definition.arguments
        hidden = tuple(dict.fromkeys((*self._redact, *definition.redact)))
        others = tuple(inspect.getfullargspec(self.task).kwonlyargs)
        limited = changed_flow(None, flow, arguments.names, arguments.ambiguous, others=others)
        jobs = dataclasses.replace(options, flow=limited) if limited else options
        kind = AsyncTask if inspect.iscoroutinefunction(definition.function) else SyncTask
        return self._register(
            kind(self, dataclasses.replace(definition, redact=hidden), jobs), times
        )

    def _register(self, task: Task[..., Any], times: Schedule | None) -> Task[..., Any]:
        for name in (task.name, *task.definition.aliases):
            known = self._names.get(name)
            if known is not None:
                raise DuplicateTask(
                    f'two tasks are named "{name}": {known.__module__}.{known.__qualname__} and '
                    f"{task.__module__}.{task.__qualname__}. Give one of them name=."
                )
        self._declare(task, times)
        self._names.update(dict.fromkeys((task.name, *task.definition.aliases), task))
        self._tasks[task.name] = task
        return task
