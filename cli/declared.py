"""Tasks as workers have declared them to the database, with what became of their jobs."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click

from .errors import NOTHING_MATCHED, CommandError
from .output import print_ids, print_json, print_json_list, print_table, raw, text_of_seconds
from .printable import printable

if TYPE_CHECKING:
    import psycopg

    from .session import Session

    Row = dict[str, Any]

DECLARED = """
SELECT t.name, t.aliases, t.queue, t.priority, t.max_attempts,
       CAST(extract(epoch FROM t.timeout) AS double precision) AS timeout, t.cron, t.signature,
       t.doc AS description, t.redact, t.workers, t.version, t.declared_at,
       CAST(t.schema AS text) AS schema,
       CAST(coalesce(s.runs, 0) AS bigint) AS runs, CAST(coalesce(s.errors, 0) AS bigint) AS errors,
       s.p95
FROM pgqueue.tasks AS t LEFT JOIN (
    SELECT d.task, sum(d.succeeded + d.retried + d.dead) AS runs, sum(d.retried + d.dead) AS errors,
           max(d.run_p95) AS p95
    FROM pgqueue.task_statistics(now() - interval '24 hours') AS d GROUP BY d.task
) AS s ON s.task = t.name
ORDER BY t.name
"""
COLUMNS = ("task", "queue", ">attempts", ">timeout", ">workers", ">runs 24h", ">p95", ">errors")


def all_declared(connection: psycopg.Connection[Row]) -> list[Row]:
    """A row for each task, in the order of names."""
    return connection.execute(DECLARED.encode()).fetchall()


def find_declared(connection: psycopg.Connection[Row], name: str) -> Row:
    """The row of one task, by its name or an alias. Raises CommandError with what was meant."""
    known = all_declared(connection)
    for row in known:
        if name == row["name"] or name in row["aliases"]:
            return row
    close = difflib.get_close_matches(name, [row["name"] for row in known], n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise CommandError(
        f'no task named "{name}" was declared.{meant}',
        "A worker that starts declares the tasks of its app.",
        "pgqueue tasks ls",
        exit_code=NOTHING_MATCHED,
    )


def print_declared(session: Session, rows: list[Row]) -> None:
    """All of them, as a table or as asked."""
    if session.as_json:
        print_json_list([_document(row) for row in rows])
    elif session.quiet:
        print_ids(row["name"] for row in rows)
    else:
        empty = "No worker has declared a task yet, and no app was found: -A module:app."
        print_table(session, (*COLUMNS, "signature"), map(_cells, rows), empty)


def print_declared_one(session: Session, row: Row, schema: bool) -> None:
    """One of them, or its schema."""
    if schema:
        print_json(raw(row["schema"] or "null"))
        return
    if session.as_json:
        print_json(_document(row) | {"schema": raw(row["schema"])})
        return
    click.echo(printable(row["signature"]))
    if row["description"]:
        click.echo(f"  {printable(row['description'].splitlines()[0])}")
    timeout = "none" if row["timeout"] is None else text_of_seconds(row["timeout"])
    lines = {
        "queue": f"{row['queue']}   priority {row['priority']}   attempts {row['max_attempts']}"
        f"   timeout {timeout}",
        "cron": row["cron"],
        "aliases": " ".join(row["aliases"]),
        "redacted": " ".join(row["redact"]),
        "workers": f"{row['workers']}   pgqueue {row['version']}",
        "24h": f"{row['runs']:,} runs   {row['errors']:,} errors   p95 {_p95(row)}",
    }
    for word, text in lines.items():
        if text:
            click.echo(f"  {word:8} {printable(text)}")


def _document(row: Row) -> Row:
    renamed = {"runs": "runs_24h", "errors": "errors_24h", "p95": "run_p95_24h"}
    return {renamed.get(name, name): value for name, value in row.items() if name != "schema"}


def _cells(row: Row) -> list[object]:
    share = f"{row['errors'] / row['runs']:.1%}" if row["runs"] and row["errors"] else None
    return [
        row["name"],
        row["queue"],
        row["max_attempts"],
        None if row["timeout"] is None else text_of_seconds(row["timeout"]),
        row["workers"],
        f"{row['runs']:,}",
        _p95(row),
        share,
        row["signature"],
    ]


def _p95(row: Row) -> str:
    return "–" if row["p95"] is None else text_of_seconds(row["p95"])
