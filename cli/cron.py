"""`pgqueue cron`: look at schedules; preview, make, run, pause, resume and remove them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from .adding import add
from .completing import complete
from .errors import USAGE, CommandError
from .output import (
    print_ids,
    print_json,
    print_json_list,
    print_table,
    styled_state,
    text_of_instant,
    text_of_seconds,
)
from .printable import printable
from .recording import record
from .schedules import (
    all_schedules,
    find_schedule,
    local_zone,
    next_of,
    schedule_document,
    state_of,
    times_of,
    value_of,
    words_of,
)
from .session import Session
from .who import operator

if TYPE_CHECKING:
    Row = dict[str, Any]

INSTANT = "%a %Y-%m-%d %H:%M:%S %z"


@click.group()
def cron() -> None:
    """Look at schedules; preview, make, run, pause, resume and remove them."""


cron.add_command(add)


@cron.command()
@click.pass_obj
def ls(session: Session) -> None:
    """List the schedules."""
    with session.connect() as connection, session.transaction(connection):
        rows = all_schedules(connection)
    if session.as_json:
        print_json_list([schedule_document(row) for row in rows])
        return
    if session.quiet:
        print_ids(row["name"] for row in rows)
        return
    cells = [
        [
            row["name"],
            row["task"],
            times_of(row),
            row["timezone"] if row["cron"] is not None else "",
            state_of(row),
            text_of_instant(row["last_tick"]),
            next_of(row),
            row["error"] or words_of(row),
        ]
        for row in rows
    ]
    columns = ("name", "task", "schedule", "zone", "state", "last", "next", "")
    print_table(session, columns, cells, "There are no schedules.")


@cron.command()
@click.argument("name", shell_complete=complete("schedules"))
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show one schedule."""
    from pgqueue.doctor.trouble import of_schedule

    with session.connect() as connection, session.transaction(connection):
        row = find_schedule(connection, name)
    if session.as_json:
        print_json(schedule_document(row))
        return
    if session.quiet:
        print_ids([name])
        return
    kind = "declared in the code" if row["declared"] else "made at run time"
    click.echo(f"{printable(name)}   {styled_state(row['state'])}   {kind}")
    zone = f"   {row['timezone']}" if row["cron"] is not None else ""
    lines = {
        "times": f"{times_of(row)}{zone}   {words_of(row)}",
        "task": f"{row['task']}   {row['args']}",
        "job": f"queue {row['queue']}   priority {row['priority']}   "
        f"attempts {row['max_attempts']}",
        "policy": f"missed {row['missed']}   overlap {row['overlap']}   "
        f"jitter {text_of_seconds(row['jitter'])}",
        "last": text_of_instant(row["last_tick"])
        + (f"   job #{row['last_job_id']}" if row["last_job_id"] is not None else "")
        + (f" {row['last_job_state']}" if row["last_job_state"] else ""),
        "next": f"{text_of_instant(row['next_tick'])}   {next_of(row)}",
    }
    if row["paused_at"] is not None:
        why = f": {row['pause_reason']}" if row["pause_reason"] else ""
        lines["paused"] = f"since {text_of_instant(row['paused_at'])} by {row['paused_by']}{why}"
    if (found := of_schedule(row)) is not None:
        lines["trouble"] = found.text
    for word, text in lines.items():
        click.echo(f"  {word:8} {printable(text)}")


@cron.command("next")
@click.argument("what", metavar="EXPRESSION | NAME", shell_complete=complete("schedules"))
@click.option("--tz", "timezone", metavar="ZONE", help="Read the expression there. By default UTC.")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.pass_obj
def next_(session: Session, what: str, timezone: str | None, count: int) -> None:
    """Preview the next ticks of an expression, or of a schedule, in its zone and in yours.

    An expression ("0 9 * * 1-5", @daily) needs no database.
    """
    from pgqueue.cron import Cron, zone
    from pgqueue.schedule import EPOCH, Schedule

    now, anchor, row = datetime.now(UTC), EPOCH, None
    if " " in what.strip() or what.startswith("@"):
        schedule = Schedule(cron=what, timezone=timezone or "UTC")
    else:
        if timezone is not None:
            raise CommandError("--tz goes with an expression; a schedule has one.", exit_code=USAGE)
        with session.connect() as connection, session.transaction(connection):
            row = find_schedule(connection, what)
        schedule, now, anchor = value_of(row), row["now"], row["created_at"]
    ticks = list(islice(schedule.after(now, anchor=anchor), count))
    here, local = local_zone()
    words = words_of(row) if row else Cron(what).explain()
    if session.as_json:
        shown = [{"at": t.astimezone(UTC), "there": _in(t, zone(schedule.timezone))} for t in ticks]
        print_json({"timezone": schedule.timezone, "words": words, "next": shown})
        return
    if session.quiet:
        print_ids(text_of_instant(tick.astimezone(UTC)) for tick in ticks)
        return
    session.note(printable(words))
    rows = [
        [
            tick.astimezone(zone(schedule.timezone)).strftime(INSTANT),
            tick.astimezone(local).strftime(INSTANT),
            f"in {text_of_seconds((tick - now).total_seconds())}",
        ]
        for tick in ticks
    ]
    print_table(session, (schedule.timezone, here, ""), rows, "It will not tick any more.")


@cron.command()
@click.argument("name", shell_complete=complete("schedules"))
@click.pass_obj
def run(session: Session, name: str) -> None:
    """Enqueue the job of a schedule now, outside of its ticks."""
    with session.connect() as connection, session.transaction(connection):
        row = find_schedule(connection, name)
        ran = connection.execute("SELECT * FROM pgqueue.run_schedule(%s)", [name]).fetchone()
        assert ran is not None
        id, made = ran["job_id"], ran["created"]
        record(connection, "run_schedule", {"schedule": name, "id": id}, jobs=int(made))
    if session.as_json:
        print_json({"id": id, "task": row["task"], "queue": row["queue"], "created": made})
    elif session.quiet:
        print_ids([id])
    elif made:
        click.echo(printable(f"{row['task']} #{id} → {row['queue']}"))
    else:
        click.echo(printable(f"{row['task']} #{id} has its unique key; no new job was made"))


@cron.command()
@click.argument("name", shell_complete=complete("schedules"))
@click.option("--reason", help="Is shown to everybody who looks.")
@click.pass_obj
def pause(session: Session, name: str, reason: str | None) -> None:
    """Let a schedule tick no more; jobs that it has made go on."""
    query = "SELECT pgqueue.pause_schedule(%(name)s, %(reason)s, %(by)s)"
    _change(session, name, "pause_schedule", query, reason)
    if not session.as_json:
        click.echo(f"{printable(name)} paused.")
        session.note(f"Undo: pgqueue cron resume {printable(name)}")


@cron.command()
@click.argument("name", shell_complete=complete("schedules"))
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Let a paused schedule tick again, or a broken one be tried again."""
    before = _change(session, name, "resume_schedule", "SELECT pgqueue.resume_schedule(%(name)s)")
    if not session.as_json:
        stood = before["state"] in ("paused", "broken")
        click.echo(f"{printable(name)} {'resumed' if stood else 'was not paused'}.")


def _change(session: Session, name: str, action: str, query: str, reason: str | None = None) -> Row:
    """Run a statement for a schedule that is there, record it, and print the schedule as it is then
    for --json. Returns it as it was.
    """
    with session.connect() as connection, session.transaction(connection):
        before = find_schedule(connection, name)
        connection.execute(query.encode(), {"name": name, "reason": reason, "by": operator()})
        record(connection, action, {"schedule": name}, reason=reason)
        after = find_schedule(connection, name)
    if session.as_json:
        print_json(schedule_document(after))
    return before


@cron.command()
@click.argument("name", shell_complete=complete("schedules"))
@click.pass_obj
def rm(session: Session, name: str) -> None:
    """Remove a schedule; jobs that it has made stay."""
    with session.connect() as connection:
        with session.transaction(connection):
            row = find_schedule(connection, name)
        again = " A worker that starts makes it anew: pause it instead." if row["declared"] else ""
        session.confirm(printable(f'Remove schedule "{name}" of task {row["task"]}?{again}'))
        with session.transaction(connection):
            connection.execute("SELECT pgqueue.delete_schedule(%s)", [name])
            record(connection, "delete_schedule", {"schedule": name})
    if session.as_json:
        print_json({"name": name, "removed": True})
    else:
        click.echo(f"{printable(name)} removed.")


def _in(tick: datetime, zone: Any) -> str:
    return tick.astimezone(zone).isoformat()
