"""Jobs as the database shows them, and as we print them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from .output import raw, text_of_age

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

COLUMNS = """j.id, j.task, j.queue, j.state, j.priority, j.attempt, j.max_attempts,
       j.run_at, j.enqueued_at, j.started_at, j.finished_at,
       CAST(extract(epoch FROM j.timeout) AS double precision) AS timeout, j.tags,
       CAST(j.args AS text) AS args, CAST(j.meta AS text) AS meta,
       CAST(j.progress AS text) AS progress, CAST(j.result AS text) AS result,
       j.reason, j.cancel_requested_at, j.worker_id"""
FAILURES = """
SELECT f.attempt, f.error_type, f.message, f.traceback, f.started_at, f.failed_at,
       CAST(extract(epoch FROM f.failed_at - f.started_at) AS double precision) AS ran,
       w.name AS worker
FROM pgqueue.failures f LEFT JOIN pgqueue.workers w ON w.id = f.worker_id
WHERE f.job_id = %(id)s
ORDER BY f.id
"""
_LAST_ERRORS = """
SELECT DISTINCT ON (f.job_id) f.job_id, f.error_type || ': ' || f.message AS error
FROM pgqueue.failures f
WHERE f.job_id = ANY(%(ids)s)
ORDER BY f.job_id, f.id DESC
"""
_REDACTIONS = """
SELECT t.task, pgqueue.redactions(t.task) AS paths FROM unnest(CAST(%(tasks)s AS text[])) AS t(task)
"""
_DOCUMENTS = ("args", "meta", "progress", "result")


def hide_args(connection: psycopg.Connection[Row], rows: list[Row]) -> list[Row]:
    """The same rows, with the arguments hidden that their tasks declare to be secret."""
    from pgqueue.redaction import redacted_text

    tasks = sorted({row["task"] for row in rows})
    found = connection.execute(_REDACTIONS, {"tasks": tasks})
    paths = {row["task"]: row["paths"] for row in found}
    return [row | {"args": redacted_text(row["args"], paths[row["task"]])} for row in rows]


def last_errors(connection: psycopg.Connection[Row], rows: list[Row]) -> dict[int, str]:
    """What ended each of these jobs, or failed its last attempt, by id."""
    errors = {row["id"]: row["reason"] for row in rows if row["reason"]}
    ids = [
        row["id"]
        for row in rows
        if row["attempt"] and row["state"] != "succeeded" and row["id"] not in errors
    ]
    if ids:
        found = connection.execute(_LAST_ERRORS, {"ids": ids})
        errors |= {row["job_id"]: row["error"] for row in found}
    return errors


def as_document(row: Row, error: str | None, *, with_args: bool = True) -> dict[str, Any]:
    """A job for --json. Its documents are passed on unread."""
    document = {name: value for name, value in row.items() if name not in ("reason", "now")}
    for name in _DOCUMENTS:
        document[name] = raw(row[name])
    document["tags"] = row["tags"] or []
    document["error"] = error
    if not with_args:
        del document["args"]
    return document


def when(row: Row, now: datetime) -> str | None:
    """The time that matters in the job's state: its end, its start, or when it is due."""
    if row["state"] == "running":
        return text_of_age(row["started_at"], now)
    return text_of_age(row["finished_at"] or row["run_at"], now)


def first_line(text: str | None) -> str:
    """Errors may have many lines; tables have one."""
    return (text or "").strip().partition("\n")[0]
