"""`pgqueue resume`: let the jobs of a task, with a tag, or of a tenant begin again."""

from __future__ import annotations

import click

from .output import print_json
from .pause import check_kind, statement
from .printable import printable
from .recording import record
from .session import Session


@click.command()
@click.argument("kind", metavar="task|tag|tenant")
@click.argument("name")
@click.pass_obj
def resume(session: Session, kind: str, name: str) -> None:
    """Let the jobs of a paused task, tag or tenant begin again.

    For a queue: pgqueue queues resume NAME
    """
    check_kind(kind, "resume", name)
    with session.connect() as connection, session.transaction(connection):
        answer = connection.execute(statement("resume"), {"kind": kind, "name": name}).fetchone()
        assert answer is not None
        resumed = answer["resume"]
        if resumed:
            record(connection, "resume", {kind: name})
    if session.as_json:
        print_json({"kind": kind, "name": name, "resumed": resumed})
    else:
        shown = printable(f"{kind} {name}")
        click.echo(f"{shown} resumed." if resumed else f"{shown} was not paused.")
