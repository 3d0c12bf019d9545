"""Waiting until a queue is quiet: until none of its jobs runs, or none is left to run either."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

from .errors import CommandError
from .output import count_of
from .printable import printable
from .session import Session

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

# One statement has one snapshot: a job that goes from hand to hand is not missed by both counts.
LOOK = """
SELECT found.waiting,
       CASE WHEN found.waiting = 0 THEN pgqueue.running(%(queue)s) ELSE 0 END AS running,
       EXISTS (SELECT FROM pgqueue.queue q WHERE q.name = %(queue)s AND q.paused_at IS NOT NULL
               AND coalesce(q.paused_until > now(), true)) AS paused,
       EXISTS (SELECT FROM pgqueue.workers w
               WHERE w.state = 'running' AND %(queue)s = ANY (w.queues)) AS served
FROM (SELECT CASE WHEN %(empty)s THEN pgqueue.backlog(%(queue)s) ELSE 0 END AS waiting) AS found
"""
LOOK_EVERY = 0.5
"""Seconds between looks. It has to be quiet in two that follow each other: a claim may have been on
its way when the pause was committed.
"""
LOOK_SHARE = 0.1
"""Of the time, at most this share goes into looks: with a million jobs in line each takes long."""
TELL_EVERY = 5.0


def wait_until_quiet(
    session: Session,
    connection: psycopg.Connection[Row],
    queue: str,
    limit: float | None,
    *,
    empty: bool,
) -> None:
    """Return when no job of the queue runs, and if `empty` none waits for a worker or at the gate.

    Raises CommandError after `limit` seconds, or when jobs wait in a queue that is paused.
    """
    began, told_at, told, quiet = time.monotonic(), -TELL_EVERY, "", False
    while True:
        looked = time.monotonic()
        found = _look(session, connection, queue, empty=empty)
        if not found["waiting"] and not found["running"]:
            if quiet:
                return
            quiet = True
        else:
            quiet = False
            text = _tell(queue, found)
            if text != told and looked - told_at >= TELL_EVERY:
                told, told_at = text, looked
                session.note(text)
        now = time.monotonic()
        pause = max(LOOK_EVERY, (now - looked) / LOOK_SHARE)
        if limit is not None and not quiet:
            left = began + limit - now
            if left <= 0:
                what = "run empty" if empty else "become quiet"
                raise CommandError(
                    printable(f"queue {queue} did not {what} in time."),
                    _tell(queue, found),
                    printable(_next(queue, found)),
                )
            pause = min(pause, left)
        time.sleep(pause)


def _look(session: Session, connection: psycopg.Connection[Row], queue: str, *, empty: bool) -> Row:
    with session.transaction(connection):
        found = connection.execute(LOOK.encode(), {"queue": queue, "empty": empty}).fetchone()
    assert found is not None
    if found["waiting"] and found["paused"]:
        raise CommandError(
            printable(f"queue {queue} is paused, so it does not run empty."),
            _tell(queue, found),
            printable(
                f"pgqueue queues resume {queue}, or wait for its running jobs only: "
                f"pgqueue queues pause {queue} --wait"
            ),
        )
    return found


def _tell(queue: str, found: Row) -> str:
    """What is left."""
    if not found["waiting"]:
        return printable(f"{queue}: {count_of(found['running'], 'job')} still running.")
    nobody = "" if found["served"] else "; no live worker serves the queue"
    return printable(f"{queue}: {count_of(found['waiting'], 'job')} waiting{nobody}.")


def _next(queue: str, found: Row) -> str:
    """The command that shows what is left, or brings who runs it."""
    if not found["waiting"]:
        return f"pgqueue jobs ls --queue {shlex.quote(queue)} --state running"
    if not found["served"]:
        return f"pgqueue worker -q {shlex.quote(queue)}"
    return f"pgqueue jobs ls --queue {shlex.quote(queue)} --state queued --state blocked"
