"""`pgqueue queues`: look at queues; pause and resume them."""

from __future__ import annotations

import difflib
import getpass
import socket
from typing import TYPE_CHECKING, Any

import click

from .errors import NOTHING_MATCHED, CommandError
from .output import (
    count_of,
    print_ids,
    print_json,
    print_json_list,
    print_table,
    text_of_age,
    text_of_instant,
    text_of_seconds,
)
from .printable import printable
from .session import Session

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

STATS = """
SELECT s.queue, s.queued, s.running, s.scheduled, s.retrying, s.dead, s.workers, s.oldest_queued_at,
       CAST(extract(epoch FROM now() - s.oldest_queued_at) AS double precision) AS oldest_seconds,
       s.paused_at, s.paused_by, s.pause_reason,
       CAST(extract(epoch FROM s.keep_succeeded) AS double precision) AS keep_succeeded,
       CAST(extract(epoch FROM s.keep_dead) AS double precision) AS keep_dead
FROM pgqueue.queue_stats AS s
WHERE CAST(%(queues)s AS text[]) IS NULL OR s.queue = ANY(%(queues)s)
ORDER BY s.queue
"""
COLUMNS = (
    "queue",
    ">queued",
    ">running",
    ">scheduled",
    ">retrying",
    ">dead",
    ">oldest",
    ">workers",
    "",
)


def queue_stats(
    connection: psycopg.Connection[Row], queues: tuple[str, ...] | None = None
) -> list[Row]:
    """A row for each queue, or for those named, in the order of names."""
    names = list(queues) if queues else None
    return connection.execute(STATS.encode(), {"queues": names}).fetchall()


def print_queues(session: Session, rows: list[Row]) -> None:
    """The table of queues."""
    cells = [
        [
            row["queue"],
            *(f"{row[name]:,}" for name in ("queued", "running", "scheduled", "retrying", "dead")),
            None if row["oldest_seconds"] is None else text_of_seconds(row["oldest_seconds"]),
            row["workers"],
            f"paused by {row['paused_by']}" if row["paused_at"] else "",
        ]
        for row in rows
    ]
    print_table(session, COLUMNS, cells, "There are no queues.")


@click.group()
def queues() -> None:
    """Look at queues; pause and resume them."""


@queues.command()
@click.pass_obj
def ls(session: Session) -> None:
    """List the queues."""
    with session.connect() as connection, session.transaction(connection):
        rows = queue_stats(connection)
    if session.as_json:
        print_json_list(rows)
    elif session.quiet:
        print_ids(row["queue"] for row in rows)
    else:
        print_queues(session, rows)


@queues.command()
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show one queue."""
    with session.connect() as connection, session.transaction(connection):
        row = _find(connection, name)
    if session.as_json:
        print_json(row)
        return
    if session.quiet:
        print_ids([name])
        return
    states = [f"{row[name]:,} {name}" for name in ("queued", "running", "scheduled", "retrying")]
    click.echo(f"{printable(name)}   {'   '.join(states)}   {row['dead']:,} dead")
    if row["oldest_seconds"] is not None:
        click.echo(f"  oldest   queued for {text_of_seconds(row['oldest_seconds'])}")
    click.echo(f"  workers  {row['workers']}")
    kept = "not kept" if row["keep_succeeded"] is None else text_of_seconds(row["keep_succeeded"])
    click.echo(f"  keeps    succeeded jobs {kept}, dead jobs {text_of_seconds(row['keep_dead'])}")
    if row["paused_at"] is not None:
        why = f": {row['pause_reason']}" if row["pause_reason"] else ""
        by = printable(f"by {row['paused_by']}{why}")
        click.echo(f"  paused   since {text_of_instant(row['paused_at'])} {by}")
        click.echo(f"  next     pgqueue queues resume {printable(name)}")


@queues.command()
@click.argument("name")
@click.option("--reason", help="Is shown to everybody who looks.")
@click.pass_obj
def pause(session: Session, name: str, reason: str | None) -> None:
    """Let no new job of a queue begin; running ones go on."""
    with session.connect() as connection:
        with session.transaction(connection):
            known = queue_stats(connection)
        if name not in [row["queue"] for row in known]:
            hint = _did_you_mean(name, known)
            session.confirm(printable(f'There is no queue "{name}" yet.{hint} Pause it anyway?'))
        with session.transaction(connection):
            connection.execute(
                "SELECT pgqueue.pause_queue(%s, %s, %s)", [name, reason, _operator()]
            )
            row = _find(connection, name)
    if session.as_json:
        print_json(row)
        return
    shown = printable(name)
    click.echo(f"{shown} paused ({count_of(row['running'], 'running job')} finish, new ones wait).")
    session.note(f"Undo: pgqueue queues resume {shown}")


@queues.command()
@click.argument("name")
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Let the jobs of a paused queue begin again."""
    with session.connect() as connection, session.transaction(connection):
        row = _find(connection, name)
        answer = connection.execute("SELECT pgqueue.resume_queue(%s) AS resumed", [name]).fetchone()
        after = _find(connection, name)
    assert answer is not None
    if session.as_json:
        print_json(after)
    elif answer["resumed"]:
        waiting = count_of(row["queued"], "queued job")
        click.echo(f"{printable(name)} resumed after {_since(row)}: {waiting}.")
    else:
        click.echo(f"{printable(name)} was not paused.")


def _since(row: Row) -> str:
    from datetime import UTC, datetime

    return (text_of_age(row["paused_at"], datetime.now(UTC)) or "").removesuffix(" ago")


def _find(connection: psycopg.Connection[Row], name: str) -> Row:
    found = queue_stats(connection, (name,))
    if not found:
        known = queue_stats(connection)
        raise CommandError(
            f'there is no queue "{name}".{_did_you_mean(name, known)}',
            "A queue is there once it has a job, a worker or a setting.",
            "pgqueue queues ls",
            exit_code=NOTHING_MATCHED,
        )
    return found[0]


def _did_you_mean(name: str, known: list[Row]) -> str:
    close = difflib.get_close_matches(name, [row["queue"] for row in known], n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _operator() -> str:
    """Who did it: the database only knows its role."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()
