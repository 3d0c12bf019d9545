"""pgqueue: a job exists if and only if your transaction commits."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import PgQueue
    from .errors import (
        BacklogFull,
        CompletionLost,
        DuplicateJob,
        DuplicateTask,
        InvalidArguments,
        InvalidOption,
        JobCancelled,
        JobFailed,
        JobNotFound,
        LeaseLost,
        LimitFull,
        NotInJob,
        PgqueueError,
        ScheduleNotFound,
        SchemaError,
        SchemaForeign,
        SchemaMissing,
        SchemaOutdated,
        SchemaTooNew,
        TaskTimeout,
        UnknownTask,
        UnsupportedConnection,
        UsageError,
        WorkerLost,
    )
    from .flow import Limit
    from .handle import Job
    from .job import JobRecord, NewJob
    from .key import By
    from .limit import LimitHandle, LimitRecord
    from .limit_rule import LimitRule
    from .outcome import Cancel, Retry, Snooze
    from .place import Place
    from .queue_handle import Queue
    from .retry import Exponential, Fixed, PerError, RetryPolicy
    from .running import RunningJob, current_job
    from .schedule import Schedule
    from .schedule_handle import ScheduleHandle, ScheduleRecord
    from .settings import WorkerSettings
    from .task import Task
    from .unique import Debounce, Throttle, Unique
    from .worker import Worker

__all__ = [
    "BacklogFull",
    "By",
    "Cancel",
    "CompletionLost",
    "Debounce",
    "DuplicateJob",
    "DuplicateTask",
    "Exponential",
    "Fixed",
    "InvalidArguments",
    "InvalidOption",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobNotFound",
    "JobRecord",
    "LeaseLost",
    "Limit",
    "LimitFull",
    "LimitHandle",
    "LimitRecord",
    "LimitRule",
    "NewJob",
    "NotInJob",
    "PerError",
    "PgQueue",
    "PgqueueError",
    "Place",
    "Queue",
    "Retry",
    "RetryPolicy",
    "RunningJob",
    "Schedule",
    "ScheduleHandle",
    "ScheduleNotFound",
    "ScheduleRecord",
    "SchemaError",
    "SchemaForeign",
    "SchemaMissing",
    "SchemaOutdated",
    "SchemaTooNew",
    "Snooze",
    "Task",
    "TaskTimeout",
    "Throttle",
    "Unique",
    "UnknownTask",
    "UnsupportedConnection",
    "UsageError",
    "Worker",
    "WorkerLost",
    "WorkerSettings",
    "current_job",
]

_HOMES = {
    "PgQueue": "app",
    "By": "key",
    "Limit": "flow",
    "Job": "handle",
    "JobRecord": "job",
    "NewJob": "job",
    "LimitHandle": "limit",
    "LimitRecord": "limit",
    "LimitRule": "limit_rule",
    "Cancel": "outcome",
    "Retry": "outcome",
    "Snooze": "outcome",
    "Queue": "queue_handle",
    "Place": "place",
    "Exponential": "retry",
    "Fixed": "retry",
    "PerError": "retry",
    "RetryPolicy": "retry",
    "RunningJob": "running",
    "current_job": "running",
    "Schedule": "schedule",
    "ScheduleHandle": "schedule_handle",
    "ScheduleRecord": "schedule_handle",
    "WorkerSettings": "settings",
    "Task": "task",
    "Debounce": "unique",
    "Throttle": "unique",
    "Unique": "unique",
    "Worker": "worker",
}


if not TYPE_CHECKING:  # or a checker would believe in every name

    def __getattr__(name: str) -> Any:
        """Import what is asked for, when it is: `pgqueue --help` needs nothing of it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        home = import_module(f".{_HOMES.get(name, 'errors')}", __name__)
        value = globals()[name] = getattr(home, name)
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
