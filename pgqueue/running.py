"""The job that runs right now, as its own handler sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, overload

import msgspec

from .database.connection import is_async, run, run_async
from .database.statement import Statement
from .document import encode_object
from .errors import LeaseLost, NotInJob
from .outcome import Cancel

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection

_COMPLETE = Statement("complete_one")
MOST_PROGRESS_BYTES = 100_000
_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger("pgqueue.job")

current: ContextVar[RunningJob] = ContextVar("pgqueue.current_job")


def current_job() -> RunningJob:
    """The job whose handler calls this. Raises NotInJob outside of one."""
    try:
        return current.get()
    except LookupError:
        raise NotInJob(
            "current_job() was called where no job runs. "
            "A thread that you start yourself must be given the job: job = current_job()."
        ) from None


class RunningJob(msgspec.Struct, kw_only=True, eq=False):
    """One attempt at a job: what it is, how long it may take, and what it can report.

    Safe to use from the handler's own thread or task, and from others that it hands itself to.
    """

    id: int
    lease: int
    task: str
    queue: str
    attempt: int
    max_attempts: int
    priority: int = 0
    due: float = 0.0
    """Seconds from 1970 to `run_at`."""
    waited: float = 0.0
    timeout: timedelta | None = None
    deadline: datetime | None = None
    tags: Sequence[str] = ()
    meta_text: str | None = None
    progress_text: str | None = None
    resources: Mapping[str, Any] = {}
    started: float = 0.0
    completed: bool = False
    encode_result: Callable[[Any], str | None] | None = None
    """How a result becomes JSON."""
    report: Callable[[RunningJob], None] | None = None
    """Is told of each progress report."""
    completing: Callable[[], None] | None = None
    """Is told when the handler has completed the job, before its transaction can commit."""
    trace_id: str | None = None
    """The trace that the attempt belongs to, if somebody traces it."""
    cancelled: str | None = None
    """Why the handler should stop, if it should."""

    def __repr__(self) -> str:
        return f"RunningJob(#{self.id} {self.task}, attempt {self.attempt} of {self.max_attempts})"

    @property
    def run_at(self) -> datetime:
        """When the job was due."""
        return _1970 + timedelta(seconds=self.due)

    @property
    def is_last_attempt(self) -> bool:
        return self.attempt >= self.max_attempts

    @property
    def meta(self) -> dict[str, Any]:
        """What the enqueuer said about the job besides its arguments."""
        return msgspec.json.decode(self.meta_text) if self.meta_text else {}

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry `job_id`, `task`, `queue` and `attempt`."""
        fields = {
            "job_id": self.id,
            "task": self.task,
            "queue": self.queue,
            "attempt": self.attempt,
        }
        return logging.LoggerAdapter(_log, fields)

    @property
    def checkpoint(self) -> dict[str, Any]:
        """The checkpoint that this attempt, or an earlier one, reported last."""
        if not self.progress_text:
            return {}
        saved = msgspec.json.decode(self.progress_text).get("checkpoint")
        return saved if isinstance(saved, dict) else {}

    def progress(
        self,
        done: float,
        total: float | None = None,
        *,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> None:
        """Report how far the job is. Returns at once; the worker stores the last report once a
        second.

        A checkpoint stays with the job, so that a later attempt can go on from `job.checkpoint`.
        Raises InvalidOption when it is not JSON or takes more than 100 kB.
        """
        report: dict[str, Any] = {"done": done}
        if total is not None:
            report["total"] = total
        kept = dict(checkpoint) if checkpoint is not None else self.checkpoint
        if kept:
            report["checkpoint"] = kept
        self.progress_text = encode_object(
            report, "the progress report", max_bytes=MOST_PROGRESS_BYTES
        )
        if self.report is not None:
            self.report(self)

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked for this job to be cancelled, or its lease was lost."""
        return self.cancelled is not None

    def raise_if_cancelled(self) -> None:
        """Raise the signal Cancel when somebody asked for this job to be cancelled, or its lease
        was lost. `except Exception` does not swallow it.
        """
        if self.cancelled is not None:
            raise Cancel

    @overload
    def complete(self, connection: SyncConnection, /, result: object = None) -> None: ...
    @overload
    def complete(
        self, connection: AsyncConnection, /, result: object = None
    ) -> Coroutine[Any, Any, None]: ...
    def complete(self, connection: Any, /, result: object = None) -> Any:
        """Complete the job in your transaction: your rows, follow-up jobs and its end are one
        commit.

        Raises LeaseLost when this attempt may not complete the job any more: let it propagate, so
        that the transaction rolls back. Commit before the handler returns; a handler that returns
        without having committed has failed. A handler that completed and then raises has still
        succeeded.
        """
        result_text = self.encode_result(result) if self.encode_result is not None else None
        parameters = {
            "queue": self.queue,
            "id": self.id,
            "lease": self.lease,
            "results": None if result_text is None else f'{{"{self.id}": {result_text}}}',
        }
        if is_async(connection):
            return self._complete_async(connection, parameters)
        self._completed(run(connection, _COMPLETE, parameters))
        return None

    async def _complete_async(
        self, connection: AsyncConnection, parameters: dict[str, Any]
    ) -> None:
        self._completed(await run_async(connection, _COMPLETE, parameters))

    def _completed(self, rows: list[tuple[Any, ...]]) -> None:
        if rows[0][0] != 1:
            raise LeaseLost(
                f"job {self.id} is no longer leased to this attempt: roll its transaction back."
            )
        self.completed = True
        if self.completing is not None:
            self.completing()
