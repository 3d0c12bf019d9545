"""`pgqueue pauses`: whatever is paused now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .output import print_ids, print_json_list, print_table, text_of_instant
from .session import Session

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

KINDS = ("task", "tag", "tenant")
PAUSES = (
    "SELECT p.kind, p.name, p.paused_at, p.paused_by, p.reason, p.until FROM pgqueue.pauses AS p"
)
COLUMNS = ("kind", "name", "since", "by", "until", "reason")


@click.command()
@click.pass_obj
def pauses(session: Session) -> None:
    """Whatever is paused: queues, tasks, tags, tenants."""
    with session.connect() as connection, session.transaction(connection):
        rows = all_pauses(connection)
    if session.as_json:
        print_json_list(rows)
        return
    if session.quiet:
        print_ids(f"{row['kind']} {row['name']}" for row in rows)
        return
    cells = [
        [
            row["kind"],
            row["name"],
            text_of_instant(row["paused_at"]),
            row["paused_by"],
            text_of_instant(row["until"]) if row["until"] else None,
            row["reason"],
        ]
        for row in rows
    ]
    print_table(session, COLUMNS, cells, "Nothing is paused.")


def all_pauses(connection: psycopg.Connection[Row]) -> list[Row]:
    """Every pause that holds now, the oldest first."""
    return connection.execute(f"{PAUSES} ORDER BY p.paused_at, p.kind, p.name".encode()).fetchall()


def until_when(row: Row) -> str:
    """When a pause ends, if that is known."""
    return f" until {text_of_instant(row['until'])}" if row["until"] else ""
