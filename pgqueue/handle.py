"""A job by its id: look at it, cancel it, retry it, wait for its result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, overload

import psycopg

from .acting import act
from .bounds import seconds
from .database.connection import run, run_async
from .database.link import connection_string
from .database.statement import Statement
from .errors import DuplicateJob, JobCancelled, JobFailed, JobNotFound
from .instruments import Instrument
from .job import JobOptions, JobRecord, State

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection

R = TypeVar("R")

_GET, _CANCEL, _RETRY, _AWAIT = (
    Statement(name) for name in ("get", "cancel", "retry", "await_job")
)
_WHY, _LATE = Statement("why"), Statement("late")
POLL = 1.0
"""Seconds between looks at a job that is waited for, should a notification be missed."""


class Home(Protocol):
    """What a task or a job handle needs of its application."""

    @property
    def dsn(self) -> str: ...
    @property
    def max_args_bytes(self) -> int: ...
    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]: ...
    def connection_async(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]: ...
    def decode_result(self, task: str, text: str) -> Any: ...


class Job(Generic[R]):
    """A job by its id. Until the transaction that enqueued it commits, nobody else can see it.

    Every operation takes your connection, sync or async, and runs in its transaction. Without one
    it uses a connection of the application, and commits at once.
    """

    __slots__ = ("_home", "created", "id", "queue", "task")

    def __init__(
        self,
        home: Home,
        id: int,
        task: str | None = None,
        queue: str | None = None,
        *,
        created: bool | None = None,
    ) -> None:
        self._home = home
        self.id = id
        self.task = task
        self.queue = queue
        self.created = created
        """Whether enqueueing made this job. False: an equal one was there, and this is it.
        None: the handle comes from elsewhere.
        """

    def __repr__(self) -> str:
        return f"Job(#{self.id} {self.task})" if self.task else f"Job(#{self.id})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @overload
    def get(self, connection: AsyncConnection) -> Coroutine[Any, Any, JobRecord]: ...
    @overload
    def get(self, connection: SyncConnection | None = None) -> JobRecord: ...
    def get(self, connection: Any = None) -> Any:
        """The job as it is now. Raises JobNotFound."""
        return act(self._home, connection, _GET, {"id": self.id}, self._record)

    @overload
    def state(self, connection: AsyncConnection) -> Coroutine[Any, Any, State]: ...
    @overload
    def state(self, connection: SyncConnection | None = None) -> State: ...
    def state(self, connection: Any = None) -> Any:
        """The job's state now. Raises JobNotFound."""
        return act(
            self._home, connection, _GET, {"id": self.id}, lambda rows: self._record(rows).state
        )

    @overload
    def why(self, connection: AsyncConnection) -> Coroutine[Any, Any, str]: ...
    @overload
    def why(self, connection: SyncConnection | None = None) -> str: ...
    def why(self, connection: Any = None) -> Any:
        """Why the job does not run now, or what became of it, in a sentence for people: what must
        go away first, then the rest. It only reads, and has a sentence for unknown jobs, too.
        """
        return act(self._home, connection, _WHY, {"id": self.id}, lambda rows: str(rows[0][0]))

    @overload
    def cancel(
        self, connection: AsyncConnection, *, reason: str | None = None
    ) -> Coroutine[Any, Any, bool]: ...
    @overload
    def cancel(
        self, connection: SyncConnection | None = None, *, reason: str | None = None
    ) -> bool: ...
    def cancel(self, connection: Any = None, *, reason: str | None = None) -> Any:
        """Cancel the job. True: it will never run again. False: there was nothing to cancel.

        A running job is asked to stop, and is cancelled unless it succeeds first.
        """
        parameters = {"id": self.id, "reason": reason}
        return act(self._home, connection, _CANCEL, parameters, lambda rows: rows[0][0] is not None)

    @overload
    def retry(self, connection: AsyncConnection) -> Coroutine[Any, Any, bool]: ...
    @overload
    def retry(self, connection: SyncConnection | None = None) -> bool: ...
    def retry(self, connection: Any = None) -> Any:
        """Run a dead or cancelled job again with all its attempts, or a scheduled one now.

        False: the job is queued, running, succeeded or unknown, or another job has its unique key,
        and nothing was changed.
        """
        return act(self._home, connection, _RETRY, {"id": self.id}, lambda rows: bool(rows[0][0]))

    def wait(self, timeout: float | None = None) -> R:
        """Block until the job ends, at most `timeout` seconds, and return its result.

        Commit first: a job is not visible before. Raises JobFailed, JobCancelled, TimeoutError,
        which says why it has not ended, and JobNotFound for a job that is not committed, or not
        kept by its queue.
        """
        deadline = (
            None
            if timeout is None
            else time.monotonic() + seconds(timeout, "timeout").total_seconds()
        )
        with psycopg.connect(
            self._wait_string, autocommit=True, prepare_threshold=None
        ) as connection:
            connection.execute("LISTEN pgqueue_finished")
            while True:
                run(connection, _AWAIT, {"id": self.id})
                record = self._record(run(connection, _GET, {"id": self.id}), waiting=True)
                if record.finished:
                    return self._result(record)
                pause = _pause(deadline)
                if pause <= 0:
                    rows: list[tuple[Any, ...]] = []
                    with contextlib.suppress(psycopg.Error):
                        rows = run(connection, _LATE, {"id": self.id})
                    raise self._late(rows)
                for _ in connection.notifies(timeout=pause, stop_after=1):
                    pass

    async def wait_async(self, timeout: float | None = None) -> R:  # noqa: ASYNC109 - as in wait()
        """The same as `wait`, without blocking the event loop."""
        deadline = (
            None
            if timeout is None
            else time.monotonic() + seconds(timeout, "timeout").total_seconds()
        )
        connection = await psycopg.AsyncConnection.connect(
            self._wait_string, autocommit=True, prepare_threshold=None
        )
        async with connection:
            await connection.execute("LISTEN pgqueue_finished")
            while True:
                await run_async(connection, _AWAIT, {"id": self.id})
                rows = await run_async(connection, _GET, {"id": self.id})
                record = self._record(rows, waiting=True)
                if record.finished:
                    return self._result(record)
                pause = _pause(deadline)
                if pause <= 0:
                    rows = []
                    with contextlib.suppress(psycopg.Error):
                        rows = await run_async(connection, _LATE, {"id": self.id})
                    raise self._late(rows)
                async for _ in connection.notifies(timeout=pause, stop_after=1):
                    pass

    @property
    def _wait_string(self) -> str:
        return connection_string(self._home.dsn, "pgqueue wait")

    def _late(self, rows: list[tuple[Any, ...]]) -> TimeoutError:
        """The error when time has run out; without rows nobody could be asked why."""
        why, failure = rows[0] if rows else (None, None)
        told = f" {why}" if why else ""
        if failure and failure not in told:
            told += f" Its last failure: {failure}."
        return TimeoutError(f"job {self.id} did not end in time; it goes on.{told}")

    def _result(self, record: JobRecord) -> R:
        if record.state == "dead":
            raise JobFailed(f"job {self.id} ({record.task}) is dead: {record.reason}")
        if record.state == "cancelled":
            why = f": {record.reason}" if record.reason else ""
            raise JobCancelled(f"job {self.id} ({record.task}) was cancelled{why}")
        # A task without a result returns None, which is then what R is.
        result: Any = record.result and self._home.decode_result(record.task, record.result)
        return cast(R, result)

    def _record(self, rows: list[tuple[Any, ...]], *, waiting: bool = False) -> JobRecord:
        if not rows:
            hint = " Commit the transaction that enqueued it before you wait." if waiting else ""
            raise JobNotFound(
                f"there is no job {self.id} that this connection can see: it is not committed, "
                f"its queue does not keep succeeded jobs, or it was pruned.{hint}"
            )
        return JobRecord(**dict(zip(JobRecord.__slots__, rows[0], strict=True)))


def _pause(deadline: float | None) -> float:
    return POLL if deadline is None else min(POLL, deadline - time.monotonic())


def enqueued(
    home: Home, id: int, created: bool, task: str, options: JobOptions, *, beside: bool = False
) -> Job[Any]:
    """The handle of a job that was enqueued, or was there already, `beside` others or alone. Raises
    DuplicateJob where that was asked for.
    """
    if created:
        return Job(home, id, task, options.queue, created=True)
    if options.flow is not None and options.flow.unique is not None and options.flow.unique.raises:
        others = ", but those beside it were" if beside else ""
        raise DuplicateJob(
            f"{task}: job {id} has this unique key, so this one was not enqueued{others}. "
            'With on_conflict="skip" you get its handle instead.',
            id,
        )
    return Job(home, id, task, created=False)
