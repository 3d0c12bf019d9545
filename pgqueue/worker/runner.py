"""Runs claimed jobs, each inside its own error boundary: whatever a handler does costs only its
job.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..application import Application
from ..errors import CompletionLost, InvalidArguments, TaskTimeout, UsageError
from ..instruments import Run, surrounded
from ..outcome import Cancel, Cancelled, Dead, Hide, Outcome, Succeeded, describe, judge
from ..redaction import hiding
from ..running import RunningJob, current
from ..task import Task
from .children import Children
from .claimer import Claim
from .threads import Threads

SUCCEEDED = Succeeded()
LONGEST_TIMEOUT = 1e9
"""Seconds, about 30 years: rows made in SQL may say more than Python's clock can count."""


@dataclass(slots=True)
class Attempt:
    """An attempt with the task that runs it, why it was told to stop, if it was ("cancel", "lost",
    "shutdown"), and whether its handler returned.
    """

    job: RunningJob
    task: Task[..., Any]
    args: str
    hand: asyncio.Task[None] | None = None
    stopped: str | None = None
    returned: bool = False


class Runner:
    """Turns an attempt into its outcome. It knows nothing of queues, slots or the database."""

    def __init__(
        self,
        app: Application,
        threads: Threads,
        children: Children,
        resources: Mapping[str, Any],
        *,
        report: Callable[[RunningJob], None],
        worker: str,
    ) -> None:
        self._worker = worker
        self._instruments = app.instruments
        self._threads = threads
        self._children = children
        self._free_children = asyncio.Semaphore(children.most)
        self._resources = resources
        self._report = report
        self._middlewares = tuple(reversed(app.middlewares))
        self._max_result_bytes = app.max_result_bytes

    def prepare(self, claim: Claim, task: Task[..., Any]) -> Attempt:
        """An attempt at this claim, not yet running."""
        definition = task.definition
        limit = definition.timeout
        if claim.timeout is not None:
            limit = timedelta(seconds=min(claim.timeout, LONGEST_TIMEOUT))
        job = RunningJob(
            id=claim.id,
            lease=claim.lease,
            task=claim.task,
            queue=claim.queue,
            attempt=claim.attempt,
            max_attempts=claim.max_attempts,
            priority=claim.priority,
            due=claim.due,
            waited=claim.waited,
            timeout=limit,
            tags=claim.tags or (),
            meta_text=claim.meta,
            progress_text=claim.progress,
            resources=self._resources,
            encode_result=functools.partial(
                definition.arguments.encode_result, max_bytes=self._max_result_bytes
            ),
            report=self._report,
        )
        return Attempt(job, task, claim.args)

    async def run(self, attempt: Attempt) -> Outcome:
        """The life of an attempt, from its text to its outcome. Never raises."""
        current.set(attempt.job)
        if not self._instruments:
            return (await self._judged(attempt))[0]
        run = Run(attempt.job, self._worker, hiding=lambda: _hide(attempt))
        with surrounded(self._instruments, lambda instrument: instrument.running(run)):
            outcome, run.error = await self._judged(attempt)
            run.outcome = outcome
        return outcome

    async def _judged(self, attempt: Attempt) -> tuple[Outcome, BaseException | None]:
        """The outcome, and what was raised."""
        raised: BaseException | None = None
        try:
            outcome = await self._attempt(attempt)
        except BaseException as error:  # noqa: BLE001 - the error boundary of the job
            outcome, raised = _judge(attempt, error), error
        attempt.returned = isinstance(outcome, Succeeded)
        if attempt.job.completed and attempt.returned:
            # What holds only if it turns out that the handler's transaction did not commit.
            lost = CompletionLost(
                "the handler completed the job in a transaction it did not commit"
            )
            return _judge(attempt, lost), lost
        return outcome, raised

    def warn(self, attempt: Attempt, reason: str) -> None:
        """What of that can be done from another thread, while the event loop is blocked: let the
        handler see it, and kill its child process. `interrupt` follows.
        """
        attempt.job.cancelled = reason
        if attempt.task.definition.run_in == "process":
            self._children.kill_running(attempt.job)

    def interrupt(self, attempt: Attempt, why: str, reason: str) -> None:
        """Make the handler stop: tasks are cancelled and child processes killed at once, threads
        see it in `raise_if_cancelled`.
        """
        attempt.stopped = why
        attempt.job.cancelled = reason
        where = attempt.task.definition.run_in
        if where != "thread" and attempt.hand is not None:
            attempt.hand.cancel()

    async def _attempt(self, attempt: Attempt) -> Outcome:
        job, arguments = attempt.job, attempt.task.definition.arguments
        try:
            args, kwargs = arguments.decode(attempt.args)
        except InvalidArguments as error:
            return Dead(describe(error, _hide(attempt)))
        call = self._call(attempt, args, kwargs)
        for middleware in self._middlewares:
            call = functools.partial(middleware, job, call)
        if attempt.task.definition.run_in == "process":
            async with self._free_children:  # only then does its time begin
                value = await _within(job, call)
        else:
            value = await call() if job.timeout is None else await _within(job, call)
        if value is None:
            return SUCCEEDED
        if isinstance(value, Outcome):
            return value
        if job.completed:
            return SUCCEEDED
        try:
            return Succeeded(arguments.encode_result(value, max_bytes=self._max_result_bytes))
        except UsageError as error:
            # Running it again would bring the same result.
            return Dead(describe(error, _hide(attempt)))

    def _call(
        self, attempt: Attempt, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[], Awaitable[Any]]:
        definition = attempt.task.definition
        function = functools.partial(definition.function, *args, **kwargs)
        if definition.run_in == "loop":
            return function
        if definition.run_in == "thread":
            return functools.partial(self._threads.call, function)
        in_child = functools.partial(self._children.run, attempt.job, attempt.task, attempt.args)
        return functools.partial(
            self._threads.call, in_child, functools.partial(self._children.kill, attempt.job)
        )


async def _within(job: RunningJob, call: Callable[[], Awaitable[Any]]) -> Any:
    if job.timeout is None:
        return await call()
    seconds = job.timeout.total_seconds()
    job.deadline = datetime.now(UTC) + job.timeout
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            return await call()
    except TimeoutError:
        if clock.expired():
            job.cancelled = "its timeout passed"
            raise TaskTimeout(f"the attempt ran longer than its timeout of {seconds:g} s") from None
        raise


def _judge(attempt: Attempt, error: BaseException) -> Outcome:
    job = attempt.job
    if attempt.stopped is not None and (
        isinstance(error, asyncio.CancelledError | Cancel)
        or attempt.task.definition.run_in == "process"
    ):
        return Cancelled(None)
    policy = attempt.task.definition.retry
    return judge(job.attempt, job.max_attempts, error, policy, _hide(attempt))


def _hide(attempt: Attempt) -> Hide:
    """What takes the values of redacted arguments out of texts; asked for when something failed."""
    return hiding(attempt.args, attempt.task.definition.redact)
