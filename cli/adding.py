"""`pgqueue cron add`: make a schedule, or change one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from .enqueue import read_job
from .errors import CommandError
from .output import print_ids, print_json
from .printable import printable
from .recording import record
from .schedules import find_schedule, schedule_document, times_of, words_of
from .session import Session
from .values import DURATION, TIME, Moment

if TYPE_CHECKING:
    from pgqueue.schedule import Schedule


@click.command()
@click.argument("name")
@click.argument("task")
@click.argument("arguments", nargs=-1, metavar="[JSON | KEY=VALUE...]")
@click.option("--cron", "expression", metavar="EXPR", help='5 fields, or 6: "0 9 * * 1-5".')
@click.option("--tz", "timezone", metavar="ZONE", help="Read --cron there. By default UTC.")
@click.option("--every", type=DURATION, help="Elapsed time between ticks: 5m.")
@click.option("--at", type=TIME, help="Once: 2026-11-22T12:00Z, now+10m.")
@click.option("--missed", type=click.Choice(["skip", "latest", "all"]), help="By default latest.")
@click.option("--most-missed", type=int, help="With --missed all: at most so many.")
@click.option("--overlap", type=click.Choice(["allow", "skip", "queue"]), help="By default allow.")
@click.option("--jitter", type=DURATION, help="Delay each job by up to that.")
@click.option("--queue", metavar="NAME", help="Another queue than the task's.")
@click.option("--priority", type=int, help="From -10 to 10; higher ones run first.")
@click.option("--max-attempts", type=int, help="Dead after so many attempts.")
@click.pass_obj
def add(
    session: Session, /, name: str, task: str, arguments: tuple[str, ...], **given: Any
) -> None:
    """Make a schedule, or change the one of this name: one of --cron, --every and --at.

    With an app the task and its arguments are checked.
    """
    from pgqueue.schedule_handle import PUT, schedule_parameters

    names = ("queue", "priority", "max_attempts")
    chosen = {key: given[key] for key in names if given[key] is not None}
    job, largest = read_job(session, task, arguments, chosen)
    text = PUT.text.encode()
    with session.connect() as connection, session.transaction(connection):
        clock = connection.execute("SELECT now() AS now").fetchone()
        assert clock is not None
        schedule = _schedule(given, clock["now"])
        parameters = schedule_parameters(name, job, schedule) | {"max_args_bytes": largest}
        put = connection.execute(text, parameters).fetchone()
        if put and put["owner"] is not None:
            what = f'schedule "{name}" is taken: {put["owner"]}.'
            raise CommandError(what, hint="change it there, or give yours another name")
        row = find_schedule(connection, name)
        record(connection, "put_schedule", {"schedule": name, "task": row["task"]})
    if session.as_json:
        print_json(schedule_document(row))
    elif session.quiet:
        print_ids([name])
    else:
        click.echo(printable(f"{name}: {row['task']}   {times_of(row)}   {words_of(row)}"))
        if not row["known"]:
            session.note(printable(f"No live worker knows {row['task']}: it ticks once one does."))


def _schedule(given: dict[str, Any], now: datetime) -> Schedule:
    """What the flags say, as a value. Raises InvalidOption."""
    from pgqueue.schedule import Schedule

    at: Moment | None = given["at"]
    times = {
        "cron": given["expression"],
        "timezone": given["timezone"],
        "every": given["every"],
        "at": None if at is None else at.at or now + (at.offset or timedelta(0)),
    }
    policies = {key: given[key] for key in ("missed", "most_missed", "overlap", "jitter")}
    return Schedule(
        **{key: value for key, value in (times | policies).items() if value is not None}
    )
