"""`pgqueue workers dump`: the stacks of what a worker runs, asked for through the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from .completing import complete
from .errors import CommandError
from .live_workers import live_workers
from .output import print_json
from .printable import printable
from .recording import record
from .session import Session
from .values import SECONDS
from .who import operator

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

ASK = "SELECT pgqueue.ask_dump(%(id)s, %(by)s) AS asked"
ANSWER = """
SELECT d.written_at, d.stacks FROM pgqueue.dump AS d
WHERE d.worker_id = %(id)s AND d.written_at IS NOT NULL
"""
FORGET = "DELETE FROM pgqueue.dump AS d WHERE d.worker_id = %(id)s"
WAIT = 30.0
LOOK_EVERY = 0.2


@click.command()
@click.argument("name", shell_complete=complete("workers"))
@click.option(
    "--timeout",
    "limit",
    type=SECONDS,
    default=WAIT,
    help="Give up after so long. By default 30s.",
)
@click.pass_obj
def dump(session: Session, name: str, limit: float) -> None:
    """Show the stacks of the jobs that a worker runs.

    The worker answers with its next heartbeat, even while a job blocks its event loop. Stacks have
    lines of code and no values.
    """
    with session.connect() as connection:
        with session.transaction(connection):
            live = live_workers(connection, name)
        found = [_ask(session, connection, row) for row in live]
        session.note(f"Waiting for the next heartbeat of {printable(name)} …")
        answers = _await(session, connection, name, found, limit)
    if session.as_json:
        print_json({"items": answers, "next": None})
        return
    for answer in answers:
        click.echo(printable(answer["stacks"], lines=True).rstrip("\n"))


def _ask(session: Session, connection: psycopg.Connection[Row], row: Row) -> int:
    id: int = row["id"]
    with session.transaction(connection):
        answer = connection.execute(ASK, {"id": id, "by": operator()}).fetchone()
        assert answer is not None
        if answer["asked"]:
            record(connection, "ask_dump", {"worker": row["name"], "ids": [id]})
    return id


def _await(
    session: Session,
    connection: psycopg.Connection[Row],
    name: str,
    ids: list[int],
    limit: float,
) -> list[Row]:
    """The answers, in the order of the ids; what was read is taken away."""
    deadline = time.monotonic() + limit
    answers: dict[int, Row] = {}
    while len(answers) < len(ids):
        for id in ids:
            with session.transaction(connection):
                row = connection.execute(ANSWER.encode(), {"id": id}).fetchone()
                if row is not None and id not in answers:
                    answers[id] = {"worker_id": id, "worker": name, **row}
                    connection.execute(FORGET, {"id": id})
        if time.monotonic() > deadline and len(answers) < len(ids):
            raise CommandError(
                f"worker {name} did not answer within {limit:g} seconds.",
                "A worker of an older release does not know the question.",
                "pgqueue workers ls shows its last heartbeat; --timeout 60s waits longer.",
            )
        if len(answers) < len(ids):
            time.sleep(LOOK_EVERY)
    return [answers[id] for id in ids]
