"""The queues as the program shows them: one row each."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from .errors import NOTHING_MATCHED, CommandError
from .limit_rules import limit_in_use, with_limits
from .output import print_table, text_of_instant, text_of_seconds
from .printable import printable
from .session import Session

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

STATS = """
SELECT s.queue, s.queued, s.running, s.scheduled, s.retrying, s.blocked, s.dead, s.workers,
       s.oldest_queued_at,
       CAST(extract(epoch FROM now() - s.oldest_queued_at) AS double precision) AS oldest_seconds,
       s.paused_at, s.paused_by, s.pause_reason, s.paused_until,
       CAST(extract(epoch FROM s.keep_succeeded) AS double precision) AS keep_succeeded,
       CAST(extract(epoch FROM s.keep_dead) AS double precision) AS keep_dead,
       CAST(extract(epoch FROM s.ageing) AS double precision) AS ageing
"""
EXACTLY = f"""
{STATS}
FROM pgqueue.queue_stats AS s
WHERE CAST(%(queues)s AS text[]) IS NULL OR s.queue = ANY(%(queues)s)
ORDER BY s.queue
"""
AT_A_GLANCE = f"""
{STATS}, s.more
FROM pgqueue.count_queues(queues => %(queues)s) AS s
ORDER BY s.queue
"""
WAITING_AND_RUNNING = ("queued", "running", "scheduled", "retrying", "blocked")
COLUMNS = (
    "queue",
    ">queued",
    ">running",
    ">scheduled",
    ">retrying",
    ">blocked",
    ">dead",
    ">oldest",
    ">limit",
    ">workers",
    "",
)


def queue_stats(
    connection: psycopg.Connection[Row], queues: tuple[str, ...] | None = None
) -> list[Row]:
    """A row for each queue, or for those named, in the order of names. Counts every job."""
    return _rows(connection, EXACTLY, queues)


def glance(connection: psycopg.Connection[Row], queues: tuple[str, ...] | None = None) -> list[Row]:
    """The same, but counts end at 10,000, and `more` names those that did."""
    return _rows(connection, AT_A_GLANCE, queues)


def _rows(
    connection: psycopg.Connection[Row], query: str, queues: tuple[str, ...] | None
) -> list[Row]:
    names = list(queues) if queues else None
    found = connection.execute(query.encode(), {"queues": names}).fetchall()
    return with_limits(connection, found)


def print_queues(session: Session, rows: list[Row]) -> None:
    """The table of queues."""
    print_table(session, COLUMNS, [cells_of(row) for row in rows], "There are no queues.")


def cells_of(row: Row) -> list[object]:
    """A row of that table."""
    return [
        row["queue"],
        *(_figure(row, name) for name in (*WAITING_AND_RUNNING, "dead")),
        None if row["oldest_seconds"] is None else text_of_seconds(row["oldest_seconds"]),
        limit_in_use(row),
        row["workers"],
        f"paused by {row['paused_by']}{until(row)}" if row["paused_at"] else "",
    ]


def _figure(row: Row, name: str) -> str:
    """A number; with a + where counting ended, and ? where it had found none by then."""
    if name not in row.get("more", ()):
        return f"{row[name]:,}"
    return f"{row[name]:,}+" if row[name] else "?"


def until(row: Row) -> str:
    """When the pause of this queue ends, if that is known."""
    return f" until {text_of_instant(row['paused_until'])}" if row["paused_until"] else ""


def find_queue(connection: psycopg.Connection[Row], name: str) -> Row:
    """The row of a queue. Raises CommandError, which names one that was meant, perhaps."""
    found = queue_stats(connection, (name,))
    if not found:
        known = queue_stats(connection)
        raise CommandError(
            f'there is no queue "{name}".{did_you_mean(name, known)}',
            "A queue is there once it has a job, a worker or a setting.",
            "pgqueue queues ls",
            exit_code=NOTHING_MATCHED,
        )
    return found[0]


def be_sure(session: Session, connection: psycopg.Connection[Row], name: str, action: str) -> None:
    """A name that no queue has yet may be a slip."""
    with session.transaction(connection):
        known = queue_stats(connection)
    if name not in [row["queue"] for row in known]:
        hint = did_you_mean(name, known)
        told = f'There is no queue "{name}" yet.{hint}'
        if session.yes and hint:
            session.note(printable(told))
        session.confirm(printable(f"{told} {action} anyway?"))


def doubt_queue(
    session: Session, connection: psycopg.Connection[Row], name: str, declared: set[str]
) -> None:
    """A note for who enqueues into a queue that nobody knows; `declared` are those of tasks."""
    if name in declared:
        return
    with session.transaction(connection):
        known = connection.execute("SELECT pgqueue.queue_names() AS queue").fetchall()
    if name not in [row["queue"] for row in known]:
        hint = did_you_mean(name, [*known, *({"queue": queue} for queue in sorted(declared))])
        session.note(printable(f'There is no queue "{name}" yet.{hint}'))


def did_you_mean(name: str, known: list[Row]) -> str:
    """Whether a queue has nearly that name."""
    close = difflib.get_close_matches(name, [row["queue"] for row in known], n=1)
    return f" Did you mean {close[0]}?" if close else ""
