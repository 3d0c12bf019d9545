"""`pgqueue limits`: how many jobs run at once, and how many start in a time; changed live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .completing import complete
from .limit_rules import (
    all_limits,
    did_you_mean,
    find_limit,
    rate_text,
    remove_limit,
    rule_text,
    set_limit,
)
from .output import count_of, print_ids, print_json, print_json_list, print_table, text_of_instant
from .printable import printable
from .session import Session
from .values import RATE

if TYPE_CHECKING:
    from .limit_rules import Rate

COLUMNS = ("limit", ">at once", "rate", "when full", ">running", ">waiting", "set by")


@click.group()
def limits() -> None:
    """How many jobs run at once, and how many start in a time.

    A limit has a name: "stripe", for jobs that were enqueued under it; "tenant", for each of its
    keys by itself; "tenant:42", for this key alone; "queue:email" and "task:charge" for all jobs of
    a queue and a task.
    """


@limits.command()
@click.pass_obj
def ls(session: Session) -> None:
    """List the limits, and how they stand."""
    with session.connect() as connection, session.transaction(connection):
        rows = all_limits(connection)
    if session.as_json:
        print_json_list(rows)
    elif session.quiet:
        print_ids(row["name"] for row in rows)
    else:
        cells = [
            (
                row["name"],
                None if row["concurrency"] is None else f"{row['concurrency']:,}",
                None if row["rate"] is None else rate_text(row),
                row["when_full"].replace("_", " "),
                f"{row['running']:,}",
                f"{row['waiting']:,}",
                "the application" if row["declared"] else "an operator",
            )
            for row in rows
        ]
        print_table(session, COLUMNS, cells, "There are no limits.")


@limits.command()
@click.argument("name", shell_complete=complete("limits"))
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show one limit."""
    with session.connect() as connection, session.transaction(connection):
        row = find_limit(connection, name)
    if session.as_json:
        print_json(row)
    elif session.quiet:
        print_ids([name])
    else:
        click.echo(f"{printable(name)}   {rule_text(row)}")
        running, waiting = count_of(row["running"], "place"), count_of(row["waiting"], "job")
        click.echo(f"  now      {running} taken, {waiting} waiting")
        by = "an application" if row["declared"] else "an operator"
        click.echo(f"  set      by {by}, {text_of_instant(row['changed_at'])}")
        click.echo(f"  next     pgqueue limits rm {printable(name)}")


@limits.command("set")
@click.argument("name", shell_complete=complete("limits"))
@click.option("--concurrency", type=int, help="At most so many at once.")
@click.option("--rate", type=RATE, help="At most so many starts in a time: 100/m, 5/s, 1000/1h30m.")
@click.option("--burst", type=int, help="So many at once after a quiet time; by default the rate.")
@click.option("--sliding", is_flag=True, help="The rate holds for every window of that length.")
@click.option(
    "--when-full",
    type=click.Choice(["wait", "cancel_newest", "cancel_running"]),
    default="wait",
    help="What happens to a job that finds every place taken.",
)
@click.pass_obj
def set_(
    session: Session, /, name: str, concurrency: int | None, rate: Rate | None, **options: Any
) -> None:
    """Set a limit, or change all of it, while jobs run.

    It holds for jobs that start from now on; those that run count, and are left alone.
    """
    with session.connect() as connection:
        with session.transaction(connection):
            known = all_limits(connection)
        meant = did_you_mean(name, known) if name not in [row["name"] for row in known] else ""
        if meant:
            session.confirm(printable(f'There is no limit "{name}" yet.{meant} Set it anyway?'))
        set_limit(session, connection, name, concurrency, rate, **options)


@limits.command()
@click.argument("name", shell_complete=complete("limits"))
@click.pass_obj
def rm(session: Session, name: str) -> None:
    """Remove a limit: whoever waits for it may run."""
    with session.connect() as connection:
        remove_limit(session, connection, name)
