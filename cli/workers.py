"""`pgqueue workers`: who is working, and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .dump import dump
from .output import print_ids, print_json_list, print_table, text_of_age, text_of_seconds
from .session import Session
from .wishes import quiet, resume, stop

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

WORKERS = """
SELECT now() AS now, w.id, w.name, w.host, w.pid, w.version, w.state, w.queues, w.tasks,
       w.concurrency, w.running, w.started_at, w.seen_at, w.draining_at, w.lease_expires_at,
       w.wish, w.wished_at, w.wished_by
FROM pgqueue.workers AS w
ORDER BY w.name, w.id
"""


def all_workers(connection: psycopg.Connection[Row]) -> list[Row]:
    """Every worker that has registered and neither ended nor been rescued."""
    return connection.execute(WORKERS.encode()).fetchall()


@click.group()
def workers() -> None:
    """Who is working."""


@workers.command()
@click.pass_obj
def ls(session: Session) -> None:
    """List the workers.

    A lost one missed its heartbeats, and its jobs have not been rescued yet.
    """
    with session.connect() as connection, session.transaction(connection):
        rows = all_workers(connection)
    if session.as_json:
        print_json_list(
            [{name: value for name, value in row.items() if name != "now"} for row in rows]
        )
    elif session.quiet:
        print_ids(row["name"] for row in rows)
    else:
        cells = [
            [
                row["name"],
                row["host"],
                row["pid"],
                row["version"],
                row["state"],
                f"{row['running']}/{row['concurrency']}",
                text_of_seconds((row["now"] - row["started_at"]).total_seconds()),
                text_of_age(row["seen_at"], row["now"]),
                " ".join(row["queues"]),
            ]
            for row in rows
        ]
        columns = (
            "name", "host", ">pid", "version", "state", ">busy", ">up", ">heartbeat", "queues",
        )  # fmt: skip
        print_table(session, columns, cells, "No workers. Start one: pgqueue worker")


for command in (dump, quiet, resume, stop):
    workers.add_command(command)
