"""pgqueue: a job exists if and only if your transaction commits."""

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
