"""`pgqueue errors`: failures, grouped by what they have in common."""

from __future__ import annotations

from typing import Any

import click

from .completing import complete
from .output import print_ids, print_json_list, print_table, text_of_age
from .records import first_line
from .session import Session
from .values import PAST, Moment

Row = dict[str, Any]

DAY = "24h"
GROUPS = """
SELECT now() AS now, g.fingerprint, g.task, g.error_type, g.place, g.example, g.failures, g.jobs,
       g.first_seen, g.last_seen, g.is_new
FROM pgqueue.errors_since(
    coalesce(CAST(%(at)s AS timestamptz), now() + CAST(%(offset)s AS interval))) AS g
WHERE CAST(%(task)s AS text) IS NULL OR g.task = %(task)s
ORDER BY g.failures DESC, g.last_seen DESC, g.fingerprint
LIMIT %(limit)s
"""
COLUMNS = (">count", ">jobs", "task", "place", ">first", ">last", "error")


@click.command()
@click.option(
    "--since",
    type=PAST,
    default=DAY,
    show_default=True,
    help="Groups with a failure since then: 1h, or an instant.",
)
@click.option("--task", metavar="NAME", shell_complete=complete("tasks"), help="Of this task.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many."
)
@click.pass_obj
def errors(session: Session, since: Moment, task: str | None, limit: int) -> None:
    """Failures, grouped by what they have in common.

    A group is a task, a type of error, and the line that raised it. It counts the failures since
    then; the most frequent one is first. One that was never seen before is marked as new.
    """
    parameters = {"at": since.at, "offset": since.offset, "task": task, "limit": limit}
    with session.connect() as connection, session.transaction(connection):
        rows = connection.execute(GROUPS.encode(), parameters).fetchall()
    if session.as_json:
        print_json_list([_document(row) for row in rows])
    elif session.quiet:
        print_ids(row["fingerprint"] for row in rows)
    else:
        cells = [_cells(row) for row in rows]
        print_table(session, COLUMNS, cells, f"No failures since {since.text}.")
        if rows:
            session.note("Its jobs: pgqueue jobs ls --task TASK --error TEXT --since " + since.text)


def _document(row: Row) -> Row:
    return {name: row[name] for name in row if name != "now"}


def _cells(row: Row) -> list[object]:
    new = " (new)" if row["is_new"] else ""
    return [
        f"{row['failures']:,}",
        f"{row['jobs']:,}",
        row["task"],
        row["place"],
        f"{text_of_age(row['first_seen'], row['now'])}{new}",
        text_of_age(row["last_seen"], row["now"]),
        f"{row['error_type']}: {first_line(row['example'])}",
    ]
