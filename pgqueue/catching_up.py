"""What a schedule owes at an instant: which ticks to run now, which to leave out, which is next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .schedule import Schedule

LATE = timedelta(minutes=1)
"""A tick older than this is missed, even when its successor is not due."""
_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """`ticks` are run now, in order. `dropped` is the last of those that are left out. `next_at` is
    None when there will be none.
    """

    ticks: tuple[datetime, ...]
    dropped: datetime | None
    next_at: datetime | None


def plan(
    schedule: Schedule,
    *,
    now: datetime,
    next_at: datetime | None,
    since: datetime,
    created_at: datetime,
) -> Plan:
    """What is due now. `next_at` None: the first tick has not been worked out; it is the first one
    later than `since`, and a one-off has only one.
    """
    if next_at is None:
        next_at = schedule.at or schedule.next_after(since, anchor=created_at)
    if next_at is None or next_at > now:
        return Plan((), None, next_at)
    most = schedule.most_missed if schedule.missed == "all" else 1
    # The tick that is known counts even if the rules of its zone have changed meanwhile.
    due = schedule.newest(next_at, now, most + 1, anchor=created_at)
    due = [next_at, *due] if len(due) <= most else due
    run = due[-most:]
    if schedule.missed == "skip" and now - run[-1] > LATE:
        run = []
    dropped = due[-len(run) - 1] if len(due) > len(run) else None
    after = None if schedule.at is not None else schedule.next_after(now, anchor=created_at)
    return Plan(tuple(run), dropped, after)
