"""`pgqueue tail`: what happens to jobs, as it happens, one event a line."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from .completing import complete
from .output import print_ids, print_json, styled_state, text_of_seconds
from .printable import printable
from .records import first_line
from .session import Session

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

STATES = ("running", "succeeded", "retrying", "dead", "cancelled")
EVERY = 0.5
SHARE = 5
"""How many times longer than a look the pause after it is, so that watching costs little."""
LATE = timedelta(seconds=5)
"""Transactions commit later than the time that they write; so long we look for what came late."""
MOST = 1000
"""Events of one kind that one look shows."""
CHOSEN = """(CAST(%(queue)s AS text) IS NULL OR e.queue = %(queue)s)
  AND (CAST(%(task)s AS text) IS NULL OR e.task = %(task)s)"""
RUNNING = """
SELECT e.started_at AS at, 'running' AS state, e.id AS job_id, e.task, e.queue, e.attempt,
       e.max_attempts, w.name AS worker, NULL::double precision AS seconds, NULL AS error
FROM pgqueue.job e LEFT JOIN pgqueue.worker w ON w.id = e.worker_id
WHERE e.lease IS NOT NULL
  AND {chosen}
ORDER BY e.id LIMIT %(most)s
"""
SUCCEEDED = """
SELECT e.finished_at AS at, 'succeeded' AS state, e.id AS job_id, e.task, e.queue, e.attempt,
       e.max_attempts, w.name AS worker,
       CAST(extract(epoch FROM e.finished_at - e.started_at) AS double precision) AS seconds,
       NULL AS error
FROM pgqueue.job_done e LEFT JOIN pgqueue.worker w ON w.id = e.worker_id
WHERE e.finished_at >= %(since)s
  AND {chosen}
ORDER BY e.finished_at, e.id LIMIT %(most)s
"""
ENDED = """
SELECT e.finished_at AS at, e.state, e.id AS job_id, e.task, e.queue, e.attempt,
       e.max_attempts, w.name AS worker,
       CAST(extract(epoch FROM e.finished_at - e.started_at) AS double precision) AS seconds,
       e.reason AS error
FROM pgqueue.job_dead e LEFT JOIN pgqueue.worker w ON w.id = e.worker_id
WHERE e.finished_at >= %(since)s
  AND {chosen}
ORDER BY e.finished_at, e.id LIMIT %(most)s
"""
# The last failure of a dead job is told by its end.
FAILED = """
SELECT e.failed_at AS at, 'retrying' AS state, e.job_id, e.task, e.queue, e.attempt,
       j.max_attempts, w.name AS worker,
       CAST(extract(epoch FROM e.failed_at - e.started_at) AS double precision) AS seconds,
       e.error_type || ': ' || e.message AS error
FROM pgqueue.failure e LEFT JOIN pgqueue.worker w ON w.id = e.worker_id
LEFT JOIN pgqueue.job j ON j.id = e.job_id
WHERE e.failed_at >= %(since)s
  AND NOT EXISTS (SELECT FROM pgqueue.job_dead d WHERE d.id = e.job_id AND d.attempt = e.attempt)
  AND {chosen}
ORDER BY e.failed_at, e.id LIMIT %(most)s
"""
SOURCES = {
    "running": RUNNING,
    "succeeded": SUCCEEDED,
    "retrying": FAILED,
    "dead": ENDED,
    "cancelled": ENDED,
}
FORGETFUL = "SELECT q.name FROM pgqueue.queue q WHERE q.keep_succeeded IS NULL ORDER BY q.name"


class Watcher:
    """Reads what happened since the last look, and tells each thing once."""

    def __init__(
        self, session: Session, connection: psycopg.Connection[Row], wanted: tuple[str, ...]
    ) -> None:
        self._session = session
        self._connection = connection
        self._wanted = wanted or STATES
        self._told: dict[tuple[Any, ...], datetime | None] = {}
        self._since: datetime | None = None
        self.more = False
        """Whether the last look had more than it shows."""

    def look(self, *, queue: str | None, task: str | None) -> list[Row]:
        """What is new. The first look only finds out where things stand."""
        first = self._since is None
        with self._session.transaction(self._connection):
            now = self._now()
            since = (self._since or now) - LATE
            given = {"queue": queue, "task": task, "since": since, "most": MOST}
            queries = dict.fromkeys(SOURCES[state] for state in self._wanted)
            found = [
                self._connection.execute(query.format(chosen=CHOSEN).encode(), given).fetchall()
                for query in queries
            ]
        self._since = now
        self.more = any(len(rows) == MOST for rows in found)
        new = [row for rows in found for row in rows if self._is_new(row)]
        self._forget([row for rows in found for row in rows], since)
        if first:
            return []
        new = [row for row in new if row["state"] in self._wanted]
        return sorted(new, key=lambda row: (row["at"] or now, row["job_id"]))

    def _now(self) -> datetime:
        row = self._connection.execute("SELECT clock_timestamp() AS now").fetchone()
        assert row is not None
        now: datetime = row["now"]
        return now

    def _is_new(self, row: Row) -> bool:
        key = _key(row)
        if key in self._told:
            return False
        self._told[key] = None if row["state"] == "running" else row["at"]
        return True

    def _forget(self, found: list[Row], since: datetime) -> None:
        """Keep what the next look will find again."""
        there = {_key(row) for row in found}
        self._told = {
            key: at
            for key, at in self._told.items()
            if key in there or (at is not None and at >= since)
        }


def _key(row: Row) -> tuple[Any, ...]:
    return row["state"], row["job_id"], row["attempt"], row["at"]


@click.command()
@click.option("--queue", metavar="NAME", shell_complete=complete("queues"), help="In this queue.")
@click.option("--task", metavar="NAME", shell_complete=complete("tasks"), help="Of this task.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Come to this state."
)
@click.pass_obj
def tail(session: Session, queue: str | None, task: str | None, states: tuple[str, ...]) -> None:
    """What happens to jobs, as it happens, one event a line.

    Reads the database every half second, until Ctrl+C. With --json each line is a document. A job
    that starts and ends between two looks is told by its end only.
    """
    with session.connect() as connection:
        _say_what_is_not_kept(session, connection, states)
        watcher = Watcher(session, connection, states)
        while True:
            began = time.monotonic()
            for row in watcher.look(queue=queue, task=task):
                _print(session, row)
            if watcher.more:
                session.note(f"(more than {MOST:,} events at once: not all of them are shown)")
            took = time.monotonic() - began
            time.sleep(max(EVERY, SHARE * took))


def _say_what_is_not_kept(
    session: Session, connection: psycopg.Connection[Row], states: tuple[str, ...]
) -> None:
    if states and "succeeded" not in states:
        return
    with session.transaction(connection):
        names = [row["name"] for row in connection.execute(FORGETFUL)]
    if names:
        shown = printable(", ".join(names[:5]) + (", …" if len(names) > 5 else ""))
        session.note(
            f"Succeeded jobs are not kept in: {shown}. There only starts, failures and other ends "
            "are seen."
        )


def _print(session: Session, row: Row) -> None:
    if session.as_json:
        print_json(row)
        return
    if session.quiet:
        print_ids([row["job_id"]])
        return
    at = f"{row['at']:%H:%M:%S}.{row['at'].microsecond // 1000:03}" if row["at"] else " " * 12
    of = f"{row['attempt']}/{row['max_attempts'] or '?'}"
    parts = [f"{row['task']} #{row['job_id']}", row["queue"], of]
    parts += [text_of_seconds(row["seconds"])] if row["seconds"] is not None else []
    parts += [str(row["worker"])] if row["worker"] else []
    parts += [first_line(row["error"])] if row["error"] else []
    state = styled_state(row["state"]) + " " * (9 - len(row["state"]))
    click.echo(f"{at}  {state}  {printable('  '.join(parts))}")
