"""`pgqueue health`: whether a worker lives, for probes that can run a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .errors import CHECK_SAID_NO, CommandError
from .output import print_json
from .session import Session
from .values import SECONDS

if TYPE_CHECKING:
    from typing import Any

BEAT = """
SELECT w.name, w.state, extract(epoch FROM now() - w.seen_at)::double precision AS beat
FROM pgqueue.workers AS w
WHERE w.name = coalesce(%s, w.name)
ORDER BY w.seen_at DESC LIMIT 1
"""


@click.command()
@click.option("--name", help="This worker. By default whichever beat last.")
@click.option(
    "--max-beat",
    type=SECONDS,
    default=30.0,
    show_default="30s",
    help="How long ago the last heartbeat may be.",
)
@click.pass_context
def health(context: click.Context, name: str | None, max_beat: float) -> None:
    """Whether a worker lives, for probes: its last heartbeat in the database is not old.

    Prints how old it is. Exit code 3: no, or there is none.
    """
    session: Session = context.obj
    with session.connect() as connection, session.transaction(connection):
        found: dict[str, Any] | None = connection.execute(BEAT.encode(), [name]).fetchone()
    if found is None:
        what = f'there is no worker "{name}".' if name else "there is no worker."
        hint = "pgqueue workers ls shows all; start one: pgqueue worker"
        raise CommandError(what, hint=hint, exit_code=CHECK_SAID_NO)
    beat = max(0.0, found["beat"])
    well = beat <= max_beat
    if session.as_json:
        print_json({"ok": well, "worker": found["name"], "state": found["state"], "beat": beat})
    elif not session.quiet:
        click.echo(f"{'ok' if well else 'lost'} beat {beat:.1f}s")
    if not well:
        context.exit(CHECK_SAID_NO)
