"""`pgqueue jobs why`: why a job does not run, or what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .errors import NOTHING_MATCHED, CommandError
from .output import print_json
from .printable import printable
from .session import Session

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

# One statement, so that sentence and reasons are of one moment.
WHY = """
SELECT r.code, r.sentence, r.details, pgqueue.why(CAST(%(id)s AS bigint)) AS why
FROM pgqueue.reasons(CAST(%(id)s AS bigint)) AS r
"""
UNKNOWN = frozenset({"never_enqueued", "not_visible", "not_kept"})


@click.command()
@click.argument("id", type=click.IntRange(1, 2**63 - 1))
@click.pass_obj
def why(session: Session, id: int) -> None:
    """Why a job does not run, or what became of it.

    The first sentence says what must go away first. The exit code is 5 when there is no such job.
    """
    with session.connect() as connection, session.transaction(connection):
        rows = reasons(connection, id)
    sentence = rows[0]["why"]
    if session.as_json:
        listed = [{name: row[name] for name in ("code", "sentence", "details")} for row in rows]
        print_json({"id": id, "why": sentence, "reasons": listed})
    if rows[0]["code"] in UNKNOWN:
        raise CommandError(printable(sentence), hint="pgqueue jobs ls", exit_code=NOTHING_MATCHED)
    if not session.as_json:
        click.echo(printable(sentence))


def reasons(connection: psycopg.Connection[Row], id: int) -> list[Row]:
    """The reasons of a job, one row each, and in each the sentence for all."""
    return connection.execute(WHY.encode(), {"id": id}).fetchall()
