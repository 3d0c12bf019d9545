"""When a schedule ticks, in words and in instants: computed, not asked of the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from ..cron import Cron, zone
from ..errors import InvalidOption
from ..schedule import Schedule
from .rendering import duration

SHOWN = 5
OVERDUE = timedelta(minutes=1)
"""A tick that nobody came to for so long is worth a word."""


class Tick(NamedTuple):
    """An instant, what the clock of the schedule's zone shows then, and a change of that clock
    since the one before.
    """

    at: datetime
    there: str
    change: str | None


def times_of(row: dict[str, Any]) -> str:
    """When it ticks, as it was given."""
    if row["cron"] is not None:
        return str(row["cron"])
    if row["every"] is not None:
        return f"every {duration(row['every'])}"
    return f"once, {row['at']:%Y-%m-%d %H:%M:%S} UTC"


def words_of(row: dict[str, Any]) -> str | None:
    """A cron expression in English. None: there is none, or it cannot be read."""
    if row["cron"] is None:
        return None
    try:
        return Cron(row["cron"]).explain()
    except InvalidOption:
        return None


def ticks_of(row: dict[str, Any], now: datetime) -> list[Tick]:
    """The next ticks; of what cannot be read or is over there are none."""
    is_cron = row["cron"] is not None
    try:
        schedule = Schedule(
            cron=row["cron"],
            every=row["every"],
            at=row["at"],
            timezone=row["timezone"] if is_cron else "UTC",
        )
        there = zone(schedule.timezone)
        instants = list(islice(schedule.after(now, anchor=row["created_at"]), SHOWN))
    except InvalidOption:
        return []
    found = []
    before = now.astimezone(there)
    for instant in instants:
        local = instant.astimezone(there)
        found.append(
            Tick(instant, f"{local:%a %Y-%m-%d %H:%M:%S} {local:%z}", _change(before, local))
        )
        before = local
    return found


def _change(before: datetime, after: datetime) -> str | None:
    """What the clock did between two readings."""
    earlier, later = before.utcoffset(), after.utcoffset()
    if earlier is None or later is None or earlier == later:
        return None
    way = "forward" if later > earlier else "back"
    return f"before it the clock goes {way} by {duration(abs(later - earlier))}"


def trouble_of(row: dict[str, Any], now: datetime) -> str | None:
    """What keeps an active schedule from ticking, as a sentence."""
    if row["state"] == "broken":
        return f"It is broken: {row['error']}"
    if row["state"] != "active":
        return None
    if not row["known"]:
        return f"It does not tick: no live worker knows its task {row['task']}."
    if row["next_tick"] is not None and now - row["next_tick"] > OVERDUE:
        late = duration(now - row["next_tick"])
        return f"It has been due for {late}, and no worker ticks it."
    return None
