"""`pgqueue workers quiet | resume | stop`: what is asked of a worker, by way of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pgqueue.wording import WISHES

from .completing import complete
from .live_workers import live_workers
from .output import print_ids, print_json_list
from .printable import printable
from .recording import record
from .session import Session
from .who import operator

if TYPE_CHECKING:
    Row = dict[str, Any]

ASK = "SELECT pgqueue.ask_worker(%(id)s, %(wish)s, %(by)s) AS heard"
IS_STOPPING = "is to stop, and that is not taken back."


@click.command()
@click.argument("name", shell_complete=complete("workers"))
@click.pass_obj
def quiet(session: Session, name: str) -> None:
    """Have a worker take no more jobs.

    It finishes what it runs, gives back what did not start, and stays: ask it for a dump, have it
    resume, or stop it. It hears of it with its next heartbeat.
    """
    _ask(session, name, "quiet")


@click.command()
@click.argument("name", shell_complete=complete("workers"))
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Have a quiet worker take jobs again."""
    _ask(session, name, "resume")


@click.command()
@click.argument("name", shell_complete=complete("workers"))
@click.pass_obj
def stop(session: Session, name: str) -> None:
    """Have a worker end, as SIGTERM does: running jobs get its grace time.

    What started the process may start it again. It cannot be taken back.
    """
    _ask(session, name, "stop")


def _ask(session: Session, name: str, wish: str) -> None:
    with session.connect() as connection, session.transaction(connection):
        found = live_workers(connection, name)
        for row in found:
            parameters = {"id": row["id"], "wish": wish, "by": operator()}
            answer = connection.execute(ASK, parameters).fetchone()
            assert answer is not None
            row["heard"] = answer["heard"]
        heard = [row["id"] for row in found if row["heard"]]
        if heard:
            record(connection, "ask_worker", {"worker": name, "ids": heard, "wish": wish})
    if session.as_json:
        print_json_list([_told(row, wish) for row in found])
    elif session.quiet:
        print_ids(heard)
    else:
        for row in found:
            told = WISHES[wish] if row["heard"] else IS_STOPPING
            click.echo(printable(f"{name} (worker {row['id']}) {told}"))


def _told(row: Row, wish: str) -> Row:
    return {"worker_id": row["id"], "worker": row["name"], "wish": wish, "heard": row["heard"]}
