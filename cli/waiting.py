"""Waiting for a job, and saying how it ended."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING, Any

import click

from .errors import JOB_FAILED, CommandError
from .output import print_json, text_of_seconds
from .printable import printable
from .records import COLUMNS, first_line, last_errors
from .session import Session

if TYPE_CHECKING:
    Row = dict[str, Any]

EXTRAS = """(SELECT count(*) FROM pgqueue.workers AS w
    WHERE w.state = 'running' AND j.queue = ANY(w.queues)) AS workers, pgqueue.why(j.id) AS why"""
PATIENCE = 2.0
"""Seconds of silence before we look whether anybody is there to run the job."""


def wait_for(session: Session, id: int, limit: float | None) -> Row:
    """The job when it has ended. Raises CommandError after `limit` seconds, and JobNotFound."""
    from pgqueue.application import Application
    from pgqueue.errors import JobCancelled, JobFailed

    with session.connect():
        pass  # it says what is wrong with the database, if anything is
    job = Application(session.database_dsn).job(id)
    patience = PATIENCE if limit is None else min(limit, PATIENCE)
    with contextlib.suppress(JobFailed, JobCancelled):
        try:
            job.wait(patience)
        except TimeoutError:
            if limit is not None and limit <= patience:
                raise _out_of_time(session, id) from None
            _tell_what_is_missing(session, _look(session, id))
            try:
                job.wait(None if limit is None else limit - patience)
            except TimeoutError:
                raise _out_of_time(session, id) from None
    return _look(session, id)


def _look(session: Session, id: int) -> Row:
    query = f"SELECT {COLUMNS}, {EXTRAS} FROM pgqueue.jobs AS j WHERE j.id = %(id)s"  # noqa: S608 - constant
    with session.connect() as connection, session.transaction(connection):
        row = connection.execute(query.encode(), {"id": id}).fetchone()
        assert row is not None, "a job that was waited for is kept"
        row["error"] = last_errors(connection, [row]).get(id)
    return row


def _missing_worker(row: Row) -> str | None:
    """The command that brings a worker, if the job waits for any worker at all."""
    if row["state"] != "queued" or row["workers"]:
        return None
    return f"pgqueue worker -q {shlex.quote(row['queue'])}"


def _tell_what_is_missing(session: Session, row: Row) -> None:
    missing = _missing_worker(row)
    if missing or row["state"] == "blocked":
        hint = f" Try: {missing}" if missing else ""
        session.note(printable(f"still {row['state']}. {row['why']}{hint}"))


def _out_of_time(session: Session, id: int) -> CommandError:
    """The error that says why the job has not ended; --json has the job on stdout as well."""
    row = _look(session, id)
    if session.as_json:
        print_json(finished(row) | {"result": None})
    error = first_line(row["error"])
    failed = f"\nits last failure: {error}" if error and error not in row["why"] else ""
    return CommandError(
        f"job {id} did not end in time; it goes on.",
        f"It is {row['state']}. {row['why']}{failed}",
        _missing_worker(row),
    )


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
        "wait_seconds": max(0.0, (started - due).total_seconds()) if started else None,
        "run_seconds": (ended - started).total_seconds() if started and ended else None,
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
        times += f" (waited {text_of_seconds(end['wait_seconds'])})"
    line = printable(f"{row['task']} #{row['id']} {row['state']}{times}")
    if row["state"] == "succeeded":
        session.note(line)
        if row["result"] is not None:
            click.echo(printable(row["result"]))
        return
    click.echo(f"{line}: {printable(row['error'])}" if row["error"] else line, err=True)
    session.note(f"pgqueue jobs show {row['id']}")
