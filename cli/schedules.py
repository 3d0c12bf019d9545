"""Schedules as the database shows them, and as we print them."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from .errors import NOTHING_MATCHED, CommandError
from .output import raw, text_of_age, text_of_seconds
from .records import hide_args

if TYPE_CHECKING:
    import psycopg

    from pgqueue.schedule import Schedule

    Row = dict[str, Any]

SCHEDULES = """
SELECT now() AS now, s.name, s.task, s.state, s.cron,
       CAST(extract(epoch FROM s.every) AS double precision) AS every, s.at, s.timezone,
       s.next_tick, s.last_tick, s.last_job_id, s.last_job_state, s.known,
       CAST(s.args AS text) AS args, s.queue, s.priority, s.max_attempts,
       CAST(extract(epoch FROM s.timeout) AS double precision) AS timeout,
       s.tags, CAST(s.meta AS text) AS meta,
       CAST(s.flow AS text) AS flow, s.missed, s.most_missed, s.overlap,
       CAST(extract(epoch FROM s.jitter) AS double precision) AS jitter, s.declared, s.error,
       s.paused_at, s.paused_by, s.pause_reason, s.created_at, s.changed_at
FROM pgqueue.schedules AS s
WHERE CAST(%(name)s AS text) IS NULL OR s.name = %(name)s
ORDER BY s.name
"""


def all_schedules(connection: psycopg.Connection[Row], name: str | None = None) -> list[Row]:
    """A row for each schedule, or for the one of this name, in the order of names."""
    return hide_args(connection, connection.execute(SCHEDULES.encode(), {"name": name}).fetchall())


def find_schedule(connection: psycopg.Connection[Row], name: str) -> Row:
    """The row of one schedule. Raises CommandError with what was meant."""
    found = all_schedules(connection, name)
    if found:
        return found[0]
    known = [row["name"] for row in all_schedules(connection)]
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise CommandError(
        f'there is no schedule "{name}".{meant}',
        "One that a task declares is made when a worker starts.",
        "pgqueue cron ls",
        exit_code=NOTHING_MATCHED,
    )


def schedule_document(row: Row) -> dict[str, Any]:
    """A schedule for --json. Its documents are passed on unread."""
    document = {name: value for name, value in row.items() if name != "now"}
    for part in ("args", "meta", "flow"):
        document[part] = raw(row[part])
    document["tags"] = row["tags"] or []
    return document


def times_of(row: Row) -> str:
    """When it ticks, as it was given."""
    if row["cron"] is not None:
        return str(row["cron"])
    if row["every"] is not None:
        return f"every {text_of_seconds(row['every'])}"
    return f"at {row['at']:%Y-%m-%d %H:%M:%S}Z"


def words_of(row: Row) -> str:
    """When it ticks, in English; what cannot be read is not explained."""
    if row["cron"] is None:
        return times_of(row)
    from pgqueue.cron import Cron
    from pgqueue.errors import InvalidOption

    try:
        return Cron(row["cron"]).explain()
    except InvalidOption:
        return "cannot be read"


def state_of(row: Row) -> str:
    """The state, with what is wrong although it is active."""
    from pgqueue.doctor.trouble import of_schedule

    found, state = of_schedule(row), str(row["state"])
    words = {"schedule_orphaned": "no worker", "schedule_overdue": "overdue"}
    return state if found is None else words.get(found.kind, state)


def next_of(row: Row) -> str:
    """When it ticks next, from now."""
    if row["state"] != "active":
        return "–"
    return text_of_age(row["next_tick"], row["now"]) or "?"


def value_of(row: Row) -> Schedule:
    """The schedule as a value. Raises InvalidOption for one that is broken."""
    from pgqueue.schedule import Schedule

    zone = "UTC" if row["cron"] is None else row["timezone"]
    return Schedule(cron=row["cron"], every=row["every"], at=row["at"], timezone=zone)


def local_zone() -> tuple[str, tzinfo]:
    """The zone of whoever types, with a name to show."""
    import os

    from pgqueue.cron import zone
    from pgqueue.errors import InvalidOption

    try:
        name = os.environ.get("TZ", "").lstrip(":") or "UTC"
        if "TZ" in os.environ:
            return name, zone(name)
    except InvalidOption:
        pass
    here = datetime.now(UTC).astimezone().tzinfo
    assert here is not None
    return "your time", here
