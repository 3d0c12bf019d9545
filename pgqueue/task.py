"""A task: a function that jobs name, with the options that its jobs have unless told otherwise."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from .backpressure import refuse, refuse_async
from .bounds import seconds
from .database.connection import is_async, run, run_async
from .database.statement import Statement
from .definition import Definition
from .document import encode_object
from .errors import InvalidOption
from .flow import FlowOptions, changed_flow
from .handle import Home, Job, enqueued
from .instruments import Outgoing, enqueueing, joined_meta
from .job import JobOptions, NewJob

if TYPE_CHECKING:
    from typing import Self, Unpack

    from .database.connection import AsyncConnection, SyncConnection

P = ParamSpec("P")
R = TypeVar("R")

_ENQUEUE, _ENQUEUE_WITH = Statement("enqueue"), Statement("enqueue_with")
MOST_META_BYTES = 100_000


class Task(Generic[P, R]):
    """A task. Call it to run the function here; enqueue it to run it in a worker."""

    def __init__(self, home: Home, definition: Definition, options: JobOptions) -> None:
        self._home = home
        self.definition = definition
        self.options = options
        self.__doc__ = definition.function.__doc__
        self.__name__ = definition.function.__name__
        self.__module__ = definition.function.__module__
        self.__qualname__ = definition.function.__qualname__
        self.__wrapped__ = definition.function

    def __repr__(self) -> str:
        return f"Task({self.definition.arguments.signature_text})"

    @property
    def name(self) -> str:
        """The name that job rows carry."""
        return self.definition.name

    @property
    def signature_text(self) -> str:
        return self.definition.arguments.signature_text

    @overload
    def enqueue(
        self, connection: AsyncConnection, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Job[R]]: ...
    @overload
    def enqueue(
        self, connection: SyncConnection, /, *args: P.args, **kwargs: P.kwargs
    ) -> Job[R]: ...
    def enqueue(self, connection: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Enqueue a job in the transaction of your connection: it exists if and only if that
        commits.

        `connection` is a psycopg `Connection` or `AsyncConnection`, or a SQLAlchemy `Connection`,
        `Session`, `AsyncConnection` or `AsyncSession`; with an async one, await the result. It is
        never committed here. On an autocommit connection the job is committed at once.

        Raises InvalidArguments, InvalidOption or UnsupportedConnection before the connection is
        touched, BacklogFull before anything is written, SchemaMissing when pgqueue is not installed
        in the database, and errors of the driver as they are.
        """
        asynchronous = is_async(connection)
        parameters = self._parameters(args, kwargs)
        if asynchronous:
            return self._enqueue_async(connection, parameters)
        return self._enqueue(connection, parameters)

    def enqueue_now(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Enqueue a job outside of any transaction of yours, on a pooled connection, committed at
        once.
        """
        parameters = self._parameters(args, kwargs)
        with self._home.connection() as connection:
            return self._enqueue(connection, parameters)

    async def enqueue_now_async(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """The same as `enqueue_now`, without blocking the event loop."""
        parameters = self._parameters(args, kwargs)
        async with self._home.connection_async() as connection:
            return await self._enqueue_async(connection, parameters)

    def job(self, *args: P.args, **kwargs: P.kwargs) -> NewJob:
        """A job that is not enqueued yet, for `enqueue_many` and `copy_many`. Raises
        InvalidArguments.
        """
        text = self._encode(args, kwargs)
        return NewJob(self.name, text, self.options, self._flow(text))

    def using(
        self,
        *,
        queue: str | None = None,
        priority: int | None = None,
        run_at: datetime | None = None,
        delay: timedelta | float | None = None,
        max_attempts: int | None = None,
        timeout: timedelta | float | None = None,
        tags: Iterable[str] | None = None,
        meta: Mapping[str, Any] | None = None,
        max_backlog: int | None = None,
        **flow: Unpack[FlowOptions],
    ) -> Self:
        """The same task with other options for its jobs. Durations are timedeltas or seconds.

        `run_at` is an aware datetime; `delay` counts from the start of your transaction. Higher
        priorities run first, from -10 to 10. `meta` is a JSON object that travels with the job.
        `max_backlog` has `enqueue` raise BacklogFull when so many jobs of the queue wait already.
        The options of flow are those of `FlowOptions`. Raises InvalidOption.
        """
        arguments = self.definition.arguments
        given: dict[str, Any] = {
            "queue": queue,
            "priority": priority,
            "run_at": run_at,
            "delay": None if delay is None else seconds(delay, "delay"),
            "max_attempts": max_attempts,
            "timeout": None if timeout is None else seconds(timeout, "timeout"),
            "tags": _tags(tags),
            "meta": None
            if meta is None
            else encode_object(meta, "meta", max_bytes=MOST_META_BYTES),
            "max_backlog": max_backlog,
        }
        given["flow"] = changed_flow(
            self.options.flow, flow, arguments.names, arguments.ambiguous, others=tuple(given)
        )
        given = {name: value for name, value in given.items() if value is not None}
        return type(self)(self._home, self.definition, dataclasses.replace(self.options, **given))

    def _encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        return self.definition.arguments.encode(args, kwargs, max_bytes=self._home.max_args_bytes)

    def _parameters(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        options, text = self.options, self._encode(args, kwargs)
        parameters = {
            "task": self.name,
            "args": text,
            "queue": options.queue,
            "priority": options.priority,
            "run_at": options.run_at,
            "delay": options.delay.total_seconds() if options.delay is not None else None,
            "max_attempts": options.max_attempts,
            "timeout": options.timeout.total_seconds() if options.timeout is not None else None,
            "tags": list(options.tags) or None,
            "meta": options.meta,
            "max_args_bytes": self._home.max_args_bytes,
        }
        if options.flow is not None:
            parameters["flow"] = self._flow(text)
        return parameters

    def _flow(self, args: str) -> str | None:
        if self.options.flow is None:
            return None
        arguments = self.definition.arguments
        return self.options.flow.document(functools.partial(arguments.chosen, args))

    def _enqueue(self, connection: SyncConnection, parameters: dict[str, Any]) -> Job[R]:
        with self._instrumented(parameters) as outgoing:
            refuse(connection, [self.options])
            return self._handle(run(connection, _statement(parameters), parameters), outgoing)

    async def _enqueue_async(
        self, connection: AsyncConnection, parameters: dict[str, Any]
    ) -> Job[R]:
        with self._instrumented(parameters) as outgoing:
            await refuse_async(connection, [self.options])
            rows = await run_async(connection, _statement(parameters), parameters)
            return self._handle(rows, outgoing)

    @contextmanager
    def _instrumented(self, parameters: dict[str, Any]) -> Iterator[Outgoing]:
        """Within the application's instruments, what they send along among the parameters."""
        outgoing = Outgoing(self.name, self.options.queue)
        if not self._home.instruments:
            yield outgoing
            return
        with enqueueing(self._home.instruments, outgoing):
            parameters["meta"] = joined_meta(self.options.meta, outgoing.carrier)
            yield outgoing

    def _handle(self, rows: list[tuple[Any, ...]], outgoing: Outgoing) -> Job[R]:
        id, *created = rows[0]
        outgoing.ids.append(id)
        return enqueued(self._home, id, created != [False], self.name, self.options)


class SyncTask(Task[P, R]):
    """A task made of a plain function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now, without a job."""
        result: R = self.definition.function(*args, **kwargs)
        return result


class AsyncTask(Task[P, R]):
    """A task made of a coroutine function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Run the coroutine function here and now, without a job."""
        coroutine: Coroutine[Any, Any, R] = self.definition.function(*args, **kwargs)
        return coroutine


def _statement(parameters: dict[str, Any]) -> Statement:
    return _ENQUEUE_WITH if "flow" in parameters else _ENQUEUE


def _tags(tags: Iterable[str] | None) -> tuple[str, ...] | None:
    if tags is None:
        return None
    if isinstance(tags, str):
        raise InvalidOption(f'tags is a list of strings, got the string "{tags}".')
    if not isinstance(tags, Iterable):
        raise InvalidOption(f"tags is a list of strings, got {type(tags).__name__}.")
    return tuple(tags)
