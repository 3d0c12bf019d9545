"""pgqueue: a job exists if and only if your transaction commits."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import PgQueue
    from .errors import (
        CompletionLost,
        DuplicateTask,
        InvalidArguments,
        InvalidOption,
        JobCancelled,
        JobFailed,
        JobNotFound,
        LeaseLost,
        NotInJob,
        PgqueueError,
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
    from .handle import Job
    from .job import JobRecord, NewJob
    from .outcome import Cancel, Retry, Snooze
    from .retry import Exponential, Fixed, PerError, RetryPolicy
    from .running import RunningJob, current_job
    from .settings import WorkerSettings
    from .task import Task
    from .worker import Worker

__all__ = [
    "Cancel",
    "CompletionLost",
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
    "NewJob",
    "NotInJob",
    "PerError",
    "PgQueue",
    "PgqueueError",
    "Retry",
    "RetryPolicy",
    "RunningJob",
    "SchemaError",
    "SchemaForeign",
    "SchemaMissing",
    "SchemaOutdated",
    "SchemaTooNew",
    "Snooze",
    "Task",
    "TaskTimeout",
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
    "Job": "handle",
    "JobRecord": "job",
    "NewJob": "job",
    "Cancel": "outcome",
    "Retry": "outcome",
    "Snooze": "outcome",
    "Exponential": "retry",
    "Fixed": "retry",
    "PerError": "retry",
    "RetryPolicy": "retry",
    "RunningJob": "running",
    "current_job": "running",
    "WorkerSettings": "settings",
    "Task": "task",
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
