"""`pgqueue jobs`: look at jobs; ask why they wait; retry, cancel and await them."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

import click

from .bulk import cancel, retry
from .errors import NOTHING_MATCHED, CommandError
from .filters import Filter, filter_options
from .output import (
    print_ids,
    print_json,
    print_json_list,
    print_table,
    raw,
    styled_state,
    text_of_instant,
    text_of_seconds,
)
from .printable import printable
from .records import (
    COLUMNS,
    FAILURES,
    as_document,
    first_line,
    hide_args,
    last_errors,
    when,
)
from .session import Session
from .values import SECONDS
from .waiting import finished, tell_end, wait_for
from .why import reasons, why

if TYPE_CHECKING:
    Row = dict[str, Any]

LAST_PAGES = 10_000


@click.group()
def jobs() -> None:
    """Look at jobs; ask why they wait; retry, cancel and await them."""


jobs.add_command(retry)
jobs.add_command(cancel)
jobs.add_command(why)


@jobs.command()
@filter_options
@click.option(
    "--limit", type=click.IntRange(1, LAST_PAGES), default=50, show_default=True, help="At most."
)
@click.option("--after", "cursor", metavar="CURSOR", type=int, help="Where the last page ended.")
@click.option("--args", "with_args", is_flag=True, help="Show the arguments, too.")
@click.pass_obj
def ls(
    session: Session, /, limit: int, cursor: int | None, with_args: bool, **conditions: Any
) -> None:
    """List jobs, the newest first."""
    from psycopg import sql

    condition, parameters = Filter(**conditions).condition(before=cursor)
    query = sql.SQL(
        "SELECT now() AS now, {columns}\nFROM pgqueue.jobs AS j\nWHERE {condition}\n"
        "ORDER BY j.id DESC LIMIT %(limit)s"
    ).format(columns=sql.SQL(COLUMNS), condition=condition)
    with session.connect() as connection, session.transaction(connection):
        rows = connection.execute(query, parameters | {"limit": limit + 1}).fetchall()
        more, rows = len(rows) > limit, hide_args(connection, rows[:limit])
        errors = last_errors(connection, rows)
    following = rows[-1]["id"] if more else None
    if session.as_json:
        items = [as_document(row, errors.get(row["id"]), with_args=with_args) for row in rows]
        print_json_list(items, following)
    elif session.quiet:
        print_ids(row["id"] for row in rows)
    else:
        _print_jobs(session, rows, errors, with_args)
        if following is not None:
            session.note(f"There are more: --after {following}")


def _print_jobs(session: Session, rows: list[Row], errors: dict[int, str], with_args: bool) -> None:
    columns = [">id", "task", "queue", "state", ">attempt", ">when"]
    columns += ["args", "error"] if with_args else ["error"]
    cells = [
        [
            row["id"],
            row["task"],
            row["queue"],
            row["state"],
            f"{row['attempt']}/{row['max_attempts']}",
            when(row, row["now"]),
            *([row["args"]] if with_args else []),
            first_line(errors.get(row["id"])),
        ]
        for row in rows
    ]
    print_table(session, columns, cells, "No jobs match.")


@jobs.command()
@click.argument("id", type=int)
@click.option("--sql", "show_sql", is_flag=True, help="Print the query instead of running it.")
@click.pass_obj
def show(session: Session, id: int, show_sql: bool) -> None:
    """Show a job with its failed attempts."""
    query = f"SELECT {COLUMNS}\nFROM pgqueue.jobs AS j\nWHERE j.id = %(id)s"
    if show_sql:
        text = f"{query};\n{FAILURES.strip()};"
        click.echo(text.replace("%(id)s", str(id)))
        return
    with session.connect() as connection, session.transaction(connection):
        row = connection.execute(query.encode(), {"id": id}).fetchone()
        if row is None:
            raise CommandError(
                f"there is no job {id}.",
                "It was never committed, its queue keeps no succeeded jobs, or it was pruned.",
                "pgqueue jobs ls",
                exit_code=NOTHING_MATCHED,
            )
        (row,) = hide_args(connection, [row])
        failures = connection.execute(FAILURES.encode(), {"id": id}).fetchall()
        error = last_errors(connection, [row]).get(id)
        waits = row["finished_at"] is None and not session.as_json and not session.quiet
        reason = reasons(connection, id)[0]["why"] if waits else None
    if session.as_json:
        print_json(as_document(row, error) | {"attempts": failures})
    elif session.quiet:
        print_ids([row["id"]])
    else:
        _print_job(row, failures, reason)


def _print_job(row: Row, failures: list[Row], reason: str | None) -> None:
    facts = [f"queue {row['queue']}", f"priority {row['priority']}"]
    facts += [f"tags {' '.join(row['tags'])}"] if row["tags"] else []
    title = printable(f"{row['task']} #{row['id']}")
    click.echo(f"{title}   {styled_state(row['state'])}   {printable('   '.join(facts))}")
    times = [
        ("enqueued", row["enqueued_at"]),
        ("run at", row["run_at"]),
        ("started", row["started_at"]),
        ("finished", row["finished_at"]),
    ]
    click.echo("  " + "   ".join(f"{name} {text_of_instant(at)}" for name, at in times if at))
    limit = f"   timeout {text_of_seconds(row['timeout'])}" if row["timeout"] else ""
    click.echo(f"  attempt  {row['attempt']} of {row['max_attempts']}{limit}")
    for name in ("args", "meta", "progress", "result", "reason"):
        if row[name] is not None:
            click.echo(f"  {name:8} {printable(row[name])}")
    if row["cancel_requested_at"] is not None and row["state"] == "running":
        click.echo(f"  asked to stop {text_of_instant(row['cancel_requested_at'])}")
    if reason is not None:
        click.echo(f"  why      {printable(reason)}")
    if failures:
        click.echo("  failed attempts")
    for failure in failures:
        _print_failure(failure)
    if row["state"] in ("dead", "cancelled"):
        click.echo(f"  next     pgqueue jobs retry {row['id']}")


def _print_failure(failure: Row) -> None:
    ran = "" if failure["ran"] is None else text_of_seconds(failure["ran"])
    what = printable(f"{failure['error_type']}: {first_line(failure['message'])}")
    worker = printable(failure["worker"] or "")
    parts = [text_of_instant(failure["failed_at"]), worker, ran, what]
    click.echo(f"  {failure['attempt']:>3}  " + "  ".join(part for part in parts if part))
    for line in _last_frame((failure["traceback"] or "").splitlines()):
        click.echo(f"     {printable(line)}")


def _last_frame(lines: list[str]) -> list[str]:
    """Where it was raised: file and line, the source, and the carets below it if Python has any."""
    starts = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    if not starts:
        return []
    return list(takewhile(lambda line: line.startswith("  "), lines[starts[-1] :]))


@jobs.command()
@click.argument("id", type=int)
@click.option("--timeout", "limit", type=SECONDS, help="Give up after so long; the job goes on.")
@click.pass_obj
def wait(session: Session, id: int, limit: float | None) -> None:
    """Wait until a job ends.

    The exit code is 4 when it is dead or cancelled.
    """
    row = wait_for(session, id, limit)
    if session.as_json:
        print_json(finished(row) | {"result": raw(row["result"])})
    tell_end(session, row)
