"""`pgqueue top`: queues, running jobs and failures, live, with keys to act."""

from __future__ import annotations

import importlib.util
import sys

import click

from .completing import complete
from .errors import USAGE, CommandError
from .session import Session
from .values import QUEUES, SECONDS

EVERY = 2.0


@click.command()
@click.option(
    "--every", type=SECONDS, default=EVERY, help="Seconds between two looks. By default 2s."
)
@click.option(
    "--queue", "queues", multiple=True, callback=QUEUES, metavar="NAME",
    shell_complete=complete("queues"), help="This queue only.",
)  # fmt: skip
@click.pass_obj
def top(session: Session, every: float, queues: tuple[str, ...]) -> None:
    """Queues, running jobs and failures, live, with keys to act.

    p pauses the queue under the cursor, with a reason, or resumes it; R retries the failed job
    under the cursor; / filters; q quits. It needs the extra top.
    """
    if importlib.util.find_spec("textual") is None:
        raise CommandError(
            "this needs Textual, which is not installed.",
            "It comes with the extra top of pgqueue.",
            'pip install "pgqueue[top]"      (without it: pgqueue info --watch)',
        )
    if session.as_json or session.quiet:
        raise CommandError(
            "top draws on a terminal and prints no document.",
            hint="pgqueue info --json",
            exit_code=USAGE,
        )
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise CommandError("top needs a terminal.", hint="pgqueue info --watch", exit_code=USAGE)
    from .board import Board
    from .top_screen import Top

    with session.connect() as connection:
        Top(Board(session, connection, queues), every=max(0.2, every)).run()
