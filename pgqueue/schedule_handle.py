"""A schedule by its name: make it, change it, pause it, run it now, delete it, look at it."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, overload

from .acting import act
from .database.statement import Statement
from .errors import InvalidArguments, InvalidOption, ScheduleNotFound
from .handle import Home, Job
from .job import JobOptions, NewJob, State
from .schedule import Missed, Overlap, Schedule, check_schedule_name
from .task import Task
from .unique import Unique

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection

PUT = Statement("put_schedule")
_PAUSE, _RESUME, _RUN = (
    Statement(name) for name in ("pause_schedule", "resume_schedule", "run_schedule")
)
_DELETE, _GET = Statement("delete_schedule"), Statement("get_schedule")
ScheduleState = Literal["active", "paused", "done", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """A schedule as the view `pgqueue.schedules` showed it at one moment. Times are aware, in UTC;
    `args`, `meta` and `flow` are JSON text.
    """

    name: str
    task: str
    state: ScheduleState
    cron: str | None
    every: timedelta | None
    at: datetime | None
    timezone: str
    next_tick: datetime | None
    last_tick: datetime | None
    last_job_id: int | None
    last_job_state: State | None
    known: bool
    args: str
    queue: str
    priority: int
    max_attempts: int
    timeout: timedelta | None
    tags: list[str] | None
    meta: str | None
    flow: str | None
    missed: Missed
    most_missed: int
    overlap: Overlap
    jitter: timedelta
    declared: bool
    error: str | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    created_at: datetime
    changed_at: datetime


class ScheduleHandle:
    """A schedule by its name, whether it exists or not.

    Every operation takes your connection, sync or async, and runs in its transaction: it takes
    effect when that commits. With None it uses a connection of the application, and commits at
    once. Until your transaction ends, nobody ticks a schedule that it has changed or run.
    """

    __slots__ = ("_declared", "_home", "name")

    def __init__(self, home: Home, name: str, *, declared: bool = False) -> None:
        check_schedule_name(name)
        self._home = home
        self._declared = declared
        self.name = name

    def __repr__(self) -> str:
        return f"ScheduleHandle({self.name!r})"

    @overload
    def put(
        self, connection: AsyncConnection, job: NewJob, schedule: Schedule
    ) -> Coroutine[Any, Any, bool]: ...
    @overload
    def put(self, connection: SyncConnection | None, job: NewJob, schedule: Schedule) -> bool: ...
    def put(self, connection: Any, job: NewJob, schedule: Schedule) -> Any:
        """Make the schedule, or change it into this one: `task.job(...)` at the times of
        `schedule`. Returns whether anything was changed.

        The next tick stays where it is unless the times are changed; what is paused stays paused.
        Raises InvalidOption for what cannot be, before the connection is touched, and for a name
        that belongs to a schedule which another application declares; your transaction can go on.
        """
        if self._declared:
            raise InvalidOption(
                f'schedule "{self.name}" is declared by a task of this application. Change it '
                "there, or give yours another name."
            )
        parameters = schedule_parameters(self.name, job, schedule)
        parameters["max_args_bytes"] = self._home.max_args_bytes
        return act(self._home, connection, PUT, parameters, self._changed)

    @overload
    def pause(
        self, connection: AsyncConnection, *, reason: str | None = None
    ) -> Coroutine[Any, Any, bool]: ...
    @overload
    def pause(
        self, connection: SyncConnection | None = None, *, reason: str | None = None
    ) -> bool: ...
    def pause(self, connection: Any = None, *, reason: str | None = None) -> Any:
        """No more ticks until it is resumed; jobs that it has made go on. False: there is no such
        schedule.
        """
        parameters = {"name": self.name, "reason": reason, "paused_by": None}
        return act(self._home, connection, _PAUSE, parameters, _yes)

    @overload
    def resume(self, connection: AsyncConnection) -> Coroutine[Any, Any, bool]: ...
    @overload
    def resume(self, connection: SyncConnection | None = None) -> bool: ...
    def resume(self, connection: Any = None) -> Any:
        """Tick again, beginning with the next one from now; a one-off whose time came meanwhile is
        run by its `missed`. A broken schedule is tried again. False: there was nothing to resume.
        """
        return act(self._home, connection, _RESUME, {"name": self.name}, _yes)

    @overload
    def run_now(self, connection: AsyncConnection) -> Coroutine[Any, Any, Job[Any]]: ...
    @overload
    def run_now(self, connection: SyncConnection | None = None) -> Job[Any]: ...
    def run_now(self, connection: Any = None) -> Any:
        """Enqueue its job, outside of its ticks, even if it is paused; `created` tells whether it
        is new. Raises ScheduleNotFound.
        """
        return act(self._home, connection, _RUN, {"name": self.name}, self._job)

    @overload
    def delete(self, connection: AsyncConnection) -> Coroutine[Any, Any, bool]: ...
    @overload
    def delete(self, connection: SyncConnection | None = None) -> bool: ...
    def delete(self, connection: Any = None) -> Any:
        """Delete the schedule and what is known of its ticks; jobs that it has made stay. A
        declared one comes back when a worker starts. False: there is no such schedule.
        """
        return act(self._home, connection, _DELETE, {"name": self.name}, _yes)

    @overload
    def get(self, connection: AsyncConnection) -> Coroutine[Any, Any, ScheduleRecord]: ...
    @overload
    def get(self, connection: SyncConnection | None = None) -> ScheduleRecord: ...
    def get(self, connection: Any = None) -> Any:
        """The schedule as it is now. Raises ScheduleNotFound."""
        return act(self._home, connection, _GET, {"name": self.name}, self._record)

    def _changed(self, rows: list[tuple[Any, ...]]) -> bool:
        ((changed, owner),) = rows
        if owner is not None:
            raise InvalidOption(
                f'schedule "{self.name}" is taken: {owner}. Change it there, or give yours '
                "another name."
            )
        return bool(changed)

    def _job(self, rows: list[tuple[Any, ...]]) -> Job[Any]:
        if not rows:
            raise self._not_found()
        ((id, created, task, queue),) = rows
        return Job(self._home, id, task, queue if created else None, created=created)

    def _record(self, rows: list[tuple[Any, ...]]) -> ScheduleRecord:
        if not rows:
            raise self._not_found()
        return ScheduleRecord(**dict(zip(ScheduleRecord.__slots__, rows[0], strict=True)))

    def _not_found(self) -> ScheduleNotFound:
        return ScheduleNotFound(
            f'there is no schedule "{self.name}" that this connection can see. Make it with put(); '
            "one that a task declares is made when a worker starts."
        )


def declared_job(task: Task[..., Any]) -> NewJob:
    """The job of a task that declares a schedule. Raises InvalidOption if it needs arguments."""
    try:
        return task.job()
    except InvalidArguments as error:
        raise InvalidOption(
            f"{str(error).partition(chr(10))[0]}: a task that declares a schedule is called "
            "without arguments. Give them defaults, or schedule it with arguments: "
            f'app.schedule("...").put(connection, {task.name}.job(...), Schedule(...)).'
        ) from None


def schedule_parameters(
    name: str, job: NewJob, schedule: Schedule, *, declared: bool = False
) -> dict[str, Any]:
    """What the statement put_schedule takes, but for max_args_bytes. Raises InvalidOption."""
    check_schedule_name(name)
    if not isinstance(job, NewJob):
        raise InvalidOption(f"a schedule makes a task.job(...), got {type(job).__name__}.")
    if not isinstance(schedule, Schedule):
        kind = type(schedule).__name__
        raise InvalidOption(f"a schedule is a Schedule, such as Schedule(every=60), got {kind}.")
    _check_job(job, schedule)
    options = job.options
    return {
        "name": name,
        "task": job.task,
        "args": job.args,
        "cron": schedule.cron,
        "every": None if schedule.every is None else schedule.period.total_seconds(),
        "at": schedule.at,
        "timezone": schedule.timezone,
        "queue": options.queue,
        "priority": options.priority,
        "max_attempts": options.max_attempts,
        "timeout": None if options.timeout is None else options.timeout.total_seconds(),
        "tags": list(options.tags) or None,
        "meta": options.meta,
        "flow": job.flow,
        "missed": schedule.missed,
        "most_missed": schedule.most_missed,
        "overlap": schedule.overlap,
        "jitter": schedule.spread.total_seconds(),
        "declared": declared,
    }


def _check_job(job: NewJob, schedule: Schedule) -> None:
    """A tick has nobody who listens, and the schedule says when. Raises InvalidOption."""
    options: JobOptions = job.options
    if options.run_at is not None or options.delay is not None:
        raise InvalidOption("the schedule says when its jobs run: leave run_at and delay out.")
    if options.max_backlog is not None:
        raise InvalidOption(
            "max_backlog refuses those who enqueue, and a tick is not refused. Leave it out of a "
            "task with a schedule, and say it where you enqueue: "
            f"{job.task}.using(max_backlog=...)."
        )
    rule = options.flow and options.flow.unique
    if isinstance(rule, Unique) and rule.on_conflict == "raise":
        raise InvalidOption(
            'on_conflict="raise" would raise where nobody listens. Let the unique key of a '
            'scheduled job "skip" or "replace".'
        )
    if options.flow is not None:
        options.flow.check_due(schedule.spread)
        if isinstance(options.flow.expires, datetime):
            raise InvalidOption(
                "a scheduled job expires after a time, not at one: give expires a duration."
            )
    if schedule.overlap == "queue" and options.flow is not None and options.flow.order_key:
        raise InvalidOption(
            'overlap="queue" and order_key= exclude each other: the jobs stand in one line '
            "already. Leave one out."
        )


def _yes(rows: list[tuple[Any, ...]]) -> bool:
    return bool(rows[0][0])
