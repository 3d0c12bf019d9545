"""`pgqueue queues`: look at queues; pause, resume, drain and limit them; let their jobs age."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from .completing import complete
from .draining import wait_until_quiet
from .errors import USAGE, CommandError
from .limit_rules import limit_in_use, limit_lane
from .output import (
    count_of,
    print_ids,
    print_json,
    print_json_list,
    text_of_age,
    text_of_instant,
    text_of_seconds,
)
from .printable import printable
from .queue_table import WAITING_AND_RUNNING, be_sure, find_queue, print_queues, queue_stats, until
from .recording import record
from .session import Session
from .values import DURATION, RATE, SECONDS, TIME, Moment, parse_duration
from .who import operator as _operator

if TYPE_CHECKING:
    import psycopg

    from .limit_rules import Rate

    Row = dict[str, Any]


@click.group()
def queues() -> None:
    """Look at queues; pause, resume, drain and limit them."""


@queues.command()
@click.pass_obj
def ls(session: Session) -> None:
    """List the queues."""
    with session.connect() as connection, session.transaction(connection):
        rows = queue_stats(connection)
    if session.as_json:
        print_json_list(rows)
    elif session.quiet:
        print_ids(row["queue"] for row in rows)
    else:
        print_queues(session, rows)


@queues.command()
@click.argument("name", shell_complete=complete("queues"))
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show one queue."""
    with session.connect() as connection, session.transaction(connection):
        row = find_queue(connection, name)
    if session.as_json:
        print_json(row)
        return
    if session.quiet:
        print_ids([name])
        return
    states = [f"{row[name]:,} {name}" for name in WAITING_AND_RUNNING]
    click.echo(f"{printable(name)}   {'   '.join(states)}   {row['dead']:,} dead")
    if row["oldest_seconds"] is not None:
        click.echo(f"  oldest   queued for {text_of_seconds(row['oldest_seconds'])}")
    click.echo(f"  workers  {row['workers']}")
    if row["limit"] is not None:
        click.echo(f"  limit    {limit_in_use(row)}")
    kept = "not kept" if row["keep_succeeded"] is None else text_of_seconds(row["keep_succeeded"])
    click.echo(f"  keeps    succeeded jobs {kept}, dead jobs {text_of_seconds(row['keep_dead'])}")
    if row["ageing"] is not None:
        click.echo(
            f"  ageing   first after {text_of_seconds(row['ageing'])}, whatever the priority"
        )
    if row["paused_at"] is not None:
        why = f": {row['pause_reason']}" if row["pause_reason"] else ""
        by = printable(f"by {row['paused_by']}{why}")
        click.echo(f"  paused   since {text_of_instant(row['paused_at'])}{until(row)} {by}")
        click.echo(f"  next     pgqueue queues resume {printable(name)}")


@queues.command()
@click.argument("name", shell_complete=complete("queues"))
@click.option("--reason", help="Is shown to everybody who looks.")
@click.option("--for", "length", type=DURATION, help="It ends by itself after so long: 30m.")
@click.option(
    "--until", "end", type=TIME, help="It ends by itself then: 2026-11-22T12:00Z, now+1h."
)
@click.option("--wait", is_flag=True, help="Wait until none of its jobs runs any more.")
@click.option("--timeout", "limit", type=SECONDS, help="With --wait: give up after so long.")
@click.pass_obj
def pause(
    session: Session,
    name: str,
    reason: str | None,
    length: timedelta | None,
    end: Moment | None,
    wait: bool,
    limit: float | None,
) -> None:
    """Let no new job of a queue begin; running ones go on."""
    if length is not None and end is not None:
        raise CommandError("--for and --until exclude each other.", exit_code=USAGE)
    if limit is not None and not wait:
        raise CommandError("--timeout bounds --wait, which is missing.", exit_code=USAGE)
    if end is not None and end.offset is not None:
        length = end.offset
    with session.connect() as connection:
        be_sure(session, connection, name, "Pause it")
        parameters = {
            "queue": name,
            "reason": reason,
            "paused_by": _operator(),
            "until": end.at if end is not None else None,
            "seconds": None if length is None else length.total_seconds(),
        }
        with session.transaction(connection):
            connection.execute(_statement("pause_queue"), parameters)
            row = find_queue(connection, name)
            target = {"queue": name, "until": row["paused_until"]}
            record(connection, "pause_queue", target, reason=reason)
        shown = printable(name)
        if not session.as_json:
            jobs = f"{count_of(row['running'], 'running job')} finish, new ones wait"
            click.echo(f"{shown} paused{until(row)} ({jobs}).")
            session.note(f"Undo: pgqueue queues resume {shown}")
        if wait:
            row = _await_quiet(session, connection, name, limit, empty=False)
            if not session.as_json:
                click.echo(f"{shown} is quiet: none of its jobs runs.")
    if session.as_json:
        print_json(row)


@queues.command()
@click.argument("name", shell_complete=complete("queues"))
@click.option("--timeout", "limit", type=SECONDS, help="Give up after so long.")
@click.pass_obj
def drain(session: Session, name: str, limit: float | None) -> None:
    """Wait until a queue has run empty: no job waits or runs.

    Jobs that are scheduled, or wait for a retry, do not count before they are due. To stop new jobs
    from beginning, and wait for the running ones, say: pgqueue queues pause NAME --wait
    """
    with session.connect() as connection:
        with session.transaction(connection):
            find_queue(connection, name)
        row = _await_quiet(session, connection, name, limit, empty=True)
    if session.as_json:
        print_json(row)
        return
    later = f"{row['scheduled']:,} scheduled, {row['retrying']:,} retrying"
    click.echo(f"{printable(name)} is empty ({later}).")


@queues.command()
@click.argument("name", shell_complete=complete("queues"))
@click.argument("length", metavar="DUR|off")
@click.pass_obj
def ageing(session: Session, name: str, length: str) -> None:
    """Let the jobs of a queue rise while they wait.

    Who has waited for DUR has the highest priority, and on the way there its part of it.
    """
    if length != "off":
        try:
            seconds = parse_duration(length).total_seconds()
        except ValueError as error:
            raise CommandError(f"{error} Or switch it off: off.", exit_code=USAGE) from None
    with session.connect() as connection:
        be_sure(session, connection, name, "Set its ageing")
        with session.transaction(connection):
            parameters = {"queue": name, "ageing": None if length == "off" else seconds}
            connection.execute(_statement("set_ageing"), parameters)
            record(connection, "set_ageing", {"queue": name, "ageing": length})
            row = find_queue(connection, name)
    if session.as_json:
        print_json(row)
    elif row["ageing"] is None:
        click.echo(f"{printable(name)}: jobs keep their priority.")
    else:
        click.echo(f"{printable(name)}: first after {text_of_seconds(row['ageing'])} of waiting.")


@queues.command()
@click.argument("name", shell_complete=complete("queues"))
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Let the jobs of a paused queue begin again."""
    with session.connect() as connection, session.transaction(connection):
        row = find_queue(connection, name)
        answer = connection.execute("SELECT pgqueue.resume_queue(%s) AS resumed", [name]).fetchone()
        after = find_queue(connection, name)
        assert answer is not None
        if answer["resumed"]:
            record(connection, "resume_queue", {"queue": name})
    if session.as_json:
        print_json(after)
    elif answer["resumed"]:
        waiting = count_of(row["queued"], "queued job")
        click.echo(f"{printable(name)} resumed after {_since(row)}: {waiting}.")
    else:
        click.echo(f"{printable(name)} was not paused.")


@queues.command()
@click.argument("name", shell_complete=complete("queues"))
@click.argument("concurrency", required=False, metavar="[N|off]")
@click.option("--rate", type=RATE, help="At most so many starts in a time: 100/m.")
@click.pass_obj
def limit(session: Session, name: str, concurrency: str | None, rate: Rate | None) -> None:
    """Let at most N jobs of a queue run at once, over all workers.

    Short for: pgqueue limits set queue:NAME
    """
    with session.connect() as connection:
        if concurrency != "off":
            be_sure(session, connection, name, "Limit it")
        limit_lane(session, connection, f"queue:{name}", concurrency, rate)


@queues.command()
@click.argument("name", shell_complete=complete("queues"))
@click.argument("tenant")
@click.argument("weight", type=click.IntRange(1, 1000))
@click.pass_obj
def weight(session: Session, name: str, tenant: str, weight: int) -> None:
    """Let a tenant of a queue run N jobs for each one of a tenant of the weight 1.

    TENANT is the fair_key of its jobs. All have the weight 1 unless told otherwise.
    """
    with session.connect() as connection:
        be_sure(session, connection, name, "Set a weight")
        with session.transaction(connection):
            connection.execute("SELECT pgqueue.set_weight(%s, %s, %s)", [name, tenant, weight])
            target = {"queue": name, "fair_key": tenant, "weight": weight}
            record(connection, "set_weight", target)
    if session.as_json:
        print_json({"queue": name, "fair_key": tenant, "weight": weight})
    else:
        click.echo(printable(f"{name}: tenant {tenant} has the weight {weight}."))


def _await_quiet(
    session: Session,
    connection: psycopg.Connection[Row],
    name: str,
    limit: float | None,
    *,
    empty: bool,
) -> Row:
    """The queue when it is quiet; out of time, --json has it on stdout besides the error."""
    try:
        wait_until_quiet(session, connection, name, limit, empty=empty)
    except CommandError:
        if session.as_json:
            with session.transaction(connection):
                print_json(find_queue(connection, name))
        raise
    with session.transaction(connection):
        return find_queue(connection, name)


def _statement(name: str) -> bytes:
    from pgqueue.database.statement import Statement

    return Statement(name).text.encode()


def _since(row: Row) -> str:
    from datetime import UTC, datetime

    return (text_of_age(row["paused_at"], datetime.now(UTC)) or "").removesuffix(" ago")
