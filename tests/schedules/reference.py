"""When a cron expression ticks, by looking at the clock of the zone minute after minute.

Written from the rules in docs/how-to/schedules.md alone: with zoneinfo, without cronsim, without
the code under test. Five fields of numbers, lists, ranges, steps.
"""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def values(field: str, low: int, high: int) -> set[int]:
    """What a field allows."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = map(int, span.split("-"))
        else:
            first, last = int(span), high if step else int(span)
        found |= set(range(first, last + 1, int(step or 1)))
    return found


class Reference:
    """One expression in one zone."""

    def __init__(self, expression: str, zone: str) -> None:
        fields = expression.split()
        minute, hour, day, _, weekday = fields
        self.zone = ZoneInfo(zone)
        self.fixed = not any(sign in minute + hour for sign in "*/")
        self.either_day = day[0] != "*" and weekday[0] != "*"
        self.fields = [values(field, *limits) for field, limits in zip(fields, LIMITS, strict=True)]

    def matches(self, wall: datetime) -> bool:
        """Whether a wall-clock time fits the fields."""
        minutes, hours, days, months, weekdays = self.fields
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        in_days = wall.day in days
        in_week = bool({wall.isoweekday(), wall.isoweekday() % 7} & weekdays)
        return in_days or in_week if self.either_day else in_days and in_week

    def ticks(self, after: datetime, until: datetime) -> list[datetime]:
        """All ticks later than `after`, up to `until`. Both are whole minutes."""
        return sorted(set(self._fixed(after, until) if self.fixed else self._even(after, until)))

    def _even(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every instant at which the clock shows a matching time."""
        for instant, wall, _ in shown(self.zone, after + MINUTE, until):
            if self.matches(wall):
                yield instant

    def _fixed(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every matching time once: when the clock shows it first, or first shows a later one."""
        been: set[datetime] = set()
        for instant, wall, jumped_over in shown(self.zone, after - timedelta(hours=3), until):
            for time in (*jumped_over, wall):
                if self.matches(time) and time not in been:
                    been.add(time)
                    if instant > after:
                        yield instant


@functools.lru_cache(maxsize=4)
def shown(
    zone: ZoneInfo, first: datetime, last: datetime
) -> list[tuple[datetime, datetime, list[datetime]]]:
    """Every minute, what the clock shows then, and the times that it has just jumped over."""
    found = []
    before = None
    for instant in minutes(first, last):
        wall = instant.astimezone(zone).replace(tzinfo=None)
        jumped_over = [] if before is None else list(minutes(before + MINUTE, wall - MINUTE))
        found.append((instant, wall, jumped_over))
        before = wall
    return found


def minutes(first: datetime, last: datetime) -> Iterator[datetime]:
    """Every minute between two, both included."""
    while first <= last:
        yield first
        first += MINUTE


def changes(zone: str, years: range) -> list[datetime]:
    """Every instant at which the clock of a zone is changed, to the minute."""
    where = ZoneInfo(zone)
    found = []
    hour = datetime(years.start, 1, 1, tzinfo=UTC)
    while hour < datetime(years.stop, 1, 1, tzinfo=UTC):
        later = hour + timedelta(hours=1)
        if hour.astimezone(where).utcoffset() != later.astimezone(where).utcoffset():
            offset = hour.astimezone(where).utcoffset()
            found += [
                minute
                for minute in minutes(hour + MINUTE, later)
                if minute.astimezone(where).utcoffset() != offset
            ][:1]
        hour = later
    return found
