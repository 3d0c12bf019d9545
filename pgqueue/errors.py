"""What can go wrong, as a tree; every message says what to do next.

PgqueueError
├── UsageError            the caller's mistake; nothing reached the database
│   ├── UnknownTask           no task of this name in the application
│   ├── DuplicateTask         two tasks with one name
│   ├── InvalidArguments      the arguments do not fit the task, or cannot be stored
│   ├── InvalidOption         an option of a job, task or worker is out of bounds
│   ├── UnsupportedConnection not a connection that pgqueue can use
│   └── NotInJob              asked for the running job where none runs
├── SchemaError           the database is not ready for this release
│   ├── SchemaMissing
│   ├── SchemaForeign         a schema "pgqueue" that is not ours
│   ├── SchemaOutdated
│   └── SchemaTooNew
├── DuplicateJob          another job has the unique key, and on_conflict is "raise"
├── BacklogFull           a queue holds as many jobs as this one allows
├── LimitFull             no place under a limit in time
├── JobNotFound           no job with this id, or no longer
├── ScheduleNotFound      no schedule with this name
├── LeaseLost             this attempt may not touch its job any more; roll back
├── TaskTimeout           the attempt ran longer than its timeout
├── WorkerLost            the process that ran the attempt died
├── CompletionLost        the job said it completed in a transaction that did not commit
├── JobFailed             raised by wait(): the job is dead
└── JobCancelled          raised by wait(): the job was cancelled

Errors of the database driver are never wrapped: they belong to the caller's transaction.
"""

from __future__ import annotations


class PgqueueError(Exception):
    """The root of everything that pgqueue raises by itself."""


class UsageError(PgqueueError, ValueError):
    """The caller's mistake. Nothing reached the database and no transaction was touched."""


class UnknownTask(UsageError):
    """No task of this name is registered."""


class DuplicateTask(UsageError):
    """Two tasks of one application have the same name."""


class InvalidArguments(UsageError):
    """The arguments do not fit the task's signature, or cannot be stored as JSON."""


class InvalidOption(UsageError):
    """An option of a job, a task or a worker is out of bounds."""


class UnsupportedConnection(UsageError):
    """Not a connection or session of psycopg 3 or SQLAlchemy 2 on PostgreSQL."""


class NotInJob(UsageError):
    """`current_job()` was called where no job runs."""


class SchemaError(PgqueueError):
    """The database is not ready for this release of pgqueue."""


class SchemaMissing(SchemaError):
    """The schema "pgqueue" is not installed in this database."""


class SchemaForeign(SchemaError):
    """The schema "pgqueue" exists, but pgqueue did not make it."""


class SchemaOutdated(SchemaError):
    """The schema is older than this release needs."""


class SchemaTooNew(SchemaError):
    """The schema is newer than this release knows."""


class DuplicateJob(PgqueueError):
    """Another job, `job_id`, has the unique key, and `on_conflict="raise"` was asked for. No job
    was enqueued for it; your transaction is as it was, and goes on. Of `enqueue_many` the jobs
    beside it are in the transaction.
    """

    def __init__(self, message: str, job_id: int) -> None:
        super().__init__(message, job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return str(self.args[0])


class BacklogFull(PgqueueError):
    """A queue holds as many waiting jobs as `max_backlog` of this one allows.

    Nothing was enqueued, and your transaction can go on.
    """


class LimitFull(PgqueueError):
    """There was no place under the limit in time. Nothing was taken."""


class JobNotFound(PgqueueError):
    """There is no job with this id, or it is no longer kept."""


class ScheduleNotFound(PgqueueError):
    """There is no schedule with this name."""


class LeaseLost(PgqueueError):
    """This attempt lost its lease: the job was rescued, cancelled or finished elsewhere.

    Let it propagate, so that the transaction which would have completed the job rolls back.
    """


class TaskTimeout(PgqueueError):
    """The attempt ran longer than its timeout."""


class WorkerLost(PgqueueError):
    """The process that ran the attempt died."""


class CompletionLost(PgqueueError):
    """The handler completed its job in a transaction that it then did not commit."""


class JobFailed(PgqueueError):
    """Raised by `wait()`: the job is dead. The message is its last error."""


class JobCancelled(PgqueueError):
    """Raised by `wait()`: the job was cancelled."""
