"""Limits as the command line knows them: found by name, set, removed, and put in words."""

from __future__ import annotations

import difflib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from .errors import NOTHING_MATCHED, USAGE, CommandError
from .output import print_json, text_of_seconds
from .printable import printable
from .recording import record
from .session import Session

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]
    Rate = tuple[int, timedelta]

LIMITS = """
SELECT l.name, l.concurrency, l.rate, l.per, l.burst, l.sliding, l.when_full, l.running, l.waiting,
       l.declared, l.changed_at
FROM pgqueue.limits AS l ORDER BY l.name
"""


def all_limits(connection: psycopg.Connection[Row]) -> list[Row]:
    """A row for each limit, in the order of names."""
    return connection.execute(LIMITS.encode()).fetchall()


def with_limits(connection: psycopg.Connection[Row], queues: list[Row]) -> list[Row]:
    """Rows of queues, each with its limit: its own, or the one for every queue by itself."""
    known = {row["name"]: row for row in all_limits(connection)}
    for row in queues:
        row["limit"] = known.get(f"queue:{row['queue']}") or known.get("queue")
    return queues


def limit_in_use(row: Row) -> str | None:
    """The limit of a queue, with what it takes of it: `3 of 10, 100 per 1m`."""
    limit = row["limit"]
    if limit is None:
        return None
    parts = []
    if limit["concurrency"] is not None:
        parts.append(f"{row['running']:,} of {limit['concurrency']:,}")
    if limit["rate"] is not None:
        parts.append(rate_text(limit))
    return ", ".join(parts)


def find_limit(connection: psycopg.Connection[Row], name: str) -> Row:
    """The limit of this name, or an error that says what was meant."""
    known = all_limits(connection)
    for row in known:
        if row["name"] == name:
            return row
    raise CommandError(
        f'there is no limit "{name}".{did_you_mean(name, known)}',
        "Without one nothing is limited.",
        "pgqueue limits ls",
        exit_code=NOTHING_MATCHED,
    )


def did_you_mean(name: str, known: list[Row]) -> str:
    close = difflib.get_close_matches(name, [row["name"] for row in known], n=1)
    return f" Did you mean {close[0]}?" if close else ""


def set_limit(
    session: Session,
    connection: psycopg.Connection[Row],
    name: str,
    concurrency: int | None,
    rate: Rate | None,
    **options: Any,
) -> None:
    """Set a limit, and show it. Raises InvalidOption for what makes no rule."""
    from pgqueue.database.statement import Statement
    from pgqueue.key import check_limit_name
    from pgqueue.limit_rule import LimitRule

    check_limit_name(name)
    number, per = rate or (None, None)
    rule = LimitRule(concurrency=concurrency, rate=number, per=per, **options)
    with session.transaction(connection):
        parameters = {"name": name, **rule.parameters()}
        connection.execute(Statement("set_limit").text.encode(), parameters)
        row = find_limit(connection, name)
        record(connection, "set_limit", {"limit": name, "rule": rule_text(row)})
    if session.as_json:
        print_json(row)
        return
    click.echo(printable(f"{name}: {rule_text(row)}."))
    session.note(f"Undo: pgqueue limits rm {printable(name)}")


def remove_limit(session: Session, connection: psycopg.Connection[Row], name: str) -> None:
    """Take a limit away, and say what it was."""
    from pgqueue.database.statement import Statement

    with session.transaction(connection):
        row = find_limit(connection, name)
        connection.execute(Statement("remove_limit").text.encode(), {"name": name})
        record(connection, "remove_limit", {"limit": name})
    if session.as_json:
        print_json(row)
        return
    click.echo(printable(f"{name} is limited no more. It was: {rule_text(row)}."))
    if row["declared"]:
        session.note("An application declares it: the next worker that starts sets it again.")


def limit_lane(
    session: Session,
    connection: psycopg.Connection[Row],
    bucket: str,
    concurrency: str | None,
    rate: Rate | None,
) -> None:
    """What `queues limit` and `tasks limit` do: a number, a rate, both, or `off`."""
    if concurrency == "off":
        if rate is not None:
            raise CommandError("off and --rate exclude each other.", exit_code=USAGE)
        remove_limit(session, connection, bucket)
        return
    number = None
    if concurrency is not None:
        if not concurrency.isascii() or not concurrency.isdecimal():
            what = f'"{concurrency}" is not a number of jobs.'
            raise CommandError(what, hint="write 10, or off for no limit", exit_code=USAGE)
        number = int(concurrency)
    set_limit(session, connection, bucket, number, rate)


def rule_text(row: Row) -> str:
    """`5 at once, 100 per 1m in bursts of 20, or newcomers are cancelled`."""
    parts = []
    if row["concurrency"] is not None:
        parts.append(f"{row['concurrency']:,} at once")
    if row["rate"] is not None:
        parts.append(rate_text(row))
    full = {
        "cancel_newest": ", or newcomers are cancelled",
        "cancel_running": ", or the one that runs for the longest time is cancelled",
    }
    return ", ".join(parts) + full.get(row["when_full"], "")


def rate_text(row: Row) -> str:
    """`100 per 1m in bursts of 20`."""
    per = row["per"].total_seconds() if isinstance(row["per"], timedelta) else row["per"]
    text = f"{row['rate']:,} per {_exactly(per)}"
    if row["sliding"]:
        return f"{text} in any window"
    return text if row["burst"] is None else f"{text} in bursts of {row['burst']:,}"


def _exactly(seconds: float) -> str:
    return f"{seconds:g}s" if seconds < 60 else text_of_seconds(seconds)
