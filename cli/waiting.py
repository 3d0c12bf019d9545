"""Waiting for a job, and saying how it ended."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from .errors import JOB_FAILED
from .output import text_of_seconds
from .printable import printable
from .records import COLUMNS, last_errors
from .session import Session

if TYPE_CHECKING:
    Row = dict[str, Any]


def wait_for(session: Session, id: int, limit: float | None) -> Row:
    """The job when it has ended. Raises TimeoutError after `limit` seconds, and JobNotFound."""
    from pgqueue.application import Application
    from pgqueue.errors import JobCancelled, JobFailed

    query = f"SELECT {COLUMNS} FROM pgqueue.jobs AS j WHERE j.id = %(id)s"  # noqa: S608 - constant
    with session.connect():
        pass  # it says what is wrong with the database, if anything is
    with contextlib.suppress(JobFailed, JobCancelled):
        Application(session.database_dsn).job(id).wait(limit)
    with session.connect() as connection, session.transaction(connection):
        row = connection.execute(query.encode(), {"id": id}).fetchone()
        assert row is not None, "a job that was waited for is kept"
        row["error"] = last_errors(connection, [row]).get(id)
    return row


def finished(row: Row) -> Row:
    """The end of a job for --json; times are seconds."""
    due = max(row["run_at"], row["enqueued_at"])
    started, ended = row["started_at"], row["finished_at"]
    return {
        "id": row["id"],
        "task": row["task"],
        "queue": row["queue"],
        "state": row["state"],
        "attempt": row["attempt"],
        "error": row["error"],
        "wait_seconds": (started - due).total_seconds() if started else None,
        "run_seconds": (ended - started).total_seconds() if started else None,
    }


def tell_end(session: Session, row: Row) -> None:
    """Print how the job ended, unless --json has; end with exit code 4 if it did not succeed."""
    succeeded = row["state"] == "succeeded"
    if not session.as_json:
        _tell(session, row)
    if not succeeded:
        click.get_current_context().exit(JOB_FAILED)


def _tell(session: Session, row: Row) -> None:
    end = finished(row)
    times = ""
    if end["run_seconds"] is not None:
        times = f" in {text_of_seconds(end['run_seconds'])}"
        times += f" (waited {text_of_seconds(max(0, end['wait_seconds']))})"
    line = printable(f"{row['task']} #{row['id']} {row['state']}{times}")
    if row["state"] == "succeeded":
        session.note(line)
        if row["result"] is not None:
            click.echo(printable(row["result"]))
        return
    click.echo(f"{line}: {printable(row['error'])}" if row["error"] else line, err=True)
    session.note(f"pgqueue jobs show {row['id']}")
