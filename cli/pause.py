"""`pgqueue pause`: let no job of a task, with a tag, or of a tenant begin."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from .errors import USAGE, CommandError
from .output import print_json
from .pauses import KINDS, PAUSES, until_when
from .printable import printable
from .recording import record
from .session import Session
from .values import DURATION, TIME, Moment
from .who import operator

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

# Workers that are alive; whether one knows the task; and what they know that is nearly the same.
KNOWN = """
SELECT count(*) AS workers, coalesce(bool_or(%(name)s = ANY (w.tasks)), false) AS known,
       (SELECT pgqueue.closest(%(name)s, array_agg(DISTINCT t.name))
        FROM pgqueue.workers v, unnest(v.tasks) AS t(name) WHERE v.state <> 'lost') AS closest
FROM pgqueue.workers w WHERE w.state <> 'lost'
"""


@click.command()
@click.argument("kind", metavar="task|tag|tenant")
@click.argument("name")
@click.option("--reason", help="Is shown to everybody who looks.")
@click.option("--for", "length", type=DURATION, help="It ends by itself after so long: 30m.")
@click.option(
    "--until", "end", type=TIME, help="It ends by itself then: 2026-11-22T12:00Z, now+1h."
)
@click.pass_obj
def pause(
    session: Session,
    kind: str,
    name: str,
    reason: str | None,
    length: timedelta | None,
    end: Moment | None,
) -> None:
    """Let no new job of a task, with a tag, or of a tenant begin.

    Running ones go on. A tenant is the fair_key of its jobs. For a queue: pgqueue queues pause NAME
    """
    check_kind(kind, "pause", name)
    if length is not None and end is not None:
        raise CommandError("--for and --until exclude each other.", exit_code=USAGE)
    if end is not None and end.offset is not None:
        length = end.offset
    parameters = {
        "kind": kind,
        "name": name,
        "reason": reason,
        "paused_by": operator(),
        "until": end.at if end is not None else None,
        "seconds": None if length is None else length.total_seconds(),
    }
    with session.connect() as connection:
        if kind == "task":
            _be_sure(session, connection, name)
        with session.transaction(connection):
            connection.execute(statement("pause"), parameters)
            row = connection.execute(
                f"{PAUSES} WHERE p.kind = %(kind)s AND p.name = %(name)s".encode(), parameters
            ).fetchone()
            assert row is not None
            record(connection, "pause", {kind: name, "until": row["until"]}, reason=reason)
    if session.as_json:
        print_json(row)
        return
    shown = printable(f"{kind} {name}")
    click.echo(f"{shown} paused{until_when(row)} (running jobs finish, new ones wait).")
    session.note(f"Undo: pgqueue resume {shown}")


def check_kind(kind: str, action: str, name: str) -> None:
    """Raise CommandError for what is not paused by this, and say what pauses it."""
    if kind in KINDS:
        return
    if kind == "queue":
        raise CommandError(
            f"queues have a command of their own to {action} them.",
            hint=printable(f"pgqueue queues {action} {name}"),
            exit_code=USAGE,
        )
    raise CommandError(
        f'"{kind}" is nothing to {action}.', hint=f"there are: {', '.join(KINDS)}.", exit_code=USAGE
    )


def statement(name: str) -> bytes:
    """The text of a statement of the library, which is imported when it is needed."""
    from pgqueue.database.statement import Statement

    return Statement(name).text.encode()


def _be_sure(session: Session, connection: psycopg.Connection[Row], name: str) -> None:
    """A name that no worker knows may be a slip."""
    with session.transaction(connection):
        found = connection.execute(KNOWN.encode(), {"name": name}).fetchone()
    assert found is not None
    if found["workers"] and not found["known"]:
        hint = f" Did you mean {found['closest']}?" if found["closest"] else ""
        session.confirm(printable(f'No live worker knows task "{name}".{hint} Pause it anyway?'))
