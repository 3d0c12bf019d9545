"""When a schedule makes jobs: one frozen value that validates itself, and the sums that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from .bounds import check_duration, check_integer, check_name, seconds
from .cron import Cron
from .errors import InvalidOption

Missed = Literal["skip", "latest", "all"]
Overlap = Literal["allow", "skip", "queue"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(seconds=1)
LONGEST_JITTER = timedelta(days=1)
_FIRST_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Exactly one of `cron`, `every` and `at`. Raises InvalidOption at once for what cannot be.

    `cron` has 5 fields, or 6 with seconds first, and is read in `timezone`; or it is a word such as
    `@daily`. `every` (timedelta or seconds, at least one) counts elapsed time from when the
    schedule was made. `at` is an aware datetime: once.

    `missed`: what happens to ticks whose successor is due already, or that are older than a minute:
    `"skip"` drops them, `"latest"` runs the last one, `"all"` runs all, the newest `most_missed`.
    `overlap`: while an earlier job of the schedule is not finished, `"allow"` makes another one,
    `"skip"` makes none, `"queue"` lets it wait for the earlier one.
    `jitter` (timedelta or seconds) delays each job by up to that, always the same for one tick.
    """

    cron: str | None = None
    every: timedelta | float | None = None
    at: datetime | None = None
    timezone: str = "UTC"
    missed: Missed = "latest"
    most_missed: int = 100
    overlap: Overlap = "allow"
    jitter: timedelta | float = timedelta(0)

    def __post_init__(self) -> None:
        given = [name for name in ("cron", "every", "at") if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none of them"
            raise InvalidOption(f"a schedule has one of cron, every and at, got {got}.")
        self._normalise("every", self.every)
        self._normalise("jitter", self.jitter)
        if self.cron is not None:
            Cron(self.cron, self.timezone)
        elif self.timezone != "UTC":
            raise InvalidOption(
                f"timezone goes with cron, not with {given[0]}: elapsed time and instants are the "
                "same in every zone. Leave it out."
            )
        if self.every is not None:
            self._check_every(self.period)
        if self.at is not None:
            _check_at(self.at)
        self._check_policies()

    @property
    def period(self) -> timedelta:
        """`every` as a timedelta."""
        return seconds(self.every, "every")

    @property
    def spread(self) -> timedelta:
        """`jitter` as a timedelta."""
        return seconds(self.jitter, "jitter")

    def next_after(self, instant: datetime, *, anchor: datetime = EPOCH) -> datetime | None:
        """The first tick later than the instant; None when there will be none. `anchor` is when a
        schedule with `every` was made.
        """
        return next(self.after(instant, anchor=anchor), None)

    def between(
        self, after: datetime, until: datetime, *, anchor: datetime = EPOCH
    ) -> Iterator[datetime]:
        """The ticks later than `after`, up to `until` inclusive, in order."""
        for tick in self.after(after, anchor=anchor):
            if tick > until:
                return
            yield tick

    def newest(
        self, after: datetime, until: datetime, most: int, *, anchor: datetime = EPOCH
    ) -> list[datetime]:
        """The last `most` of the ticks between, in order, without going through all of them."""
        if self.every is not None:
            after = max(after, until - self.period * (most + 1))
        window = _FIRST_WINDOW
        while True:
            start = max(after, until - window)
            found = list(self.between(start, until, anchor=anchor))
            if len(found) >= most or start == after:
                return found[-most:]
            window *= 4

    def after(self, instant: datetime, *, anchor: datetime = EPOCH) -> Iterator[datetime]:
        """All the ticks later than the instant, in their order."""
        if self.cron is not None:
            yield from Cron(self.cron, self.timezone).after(instant)
        elif self.at is not None:
            if self.at > instant:
                yield self.at
        else:
            number = max(0, (instant - anchor) // self.period)
            while True:
                number += 1
                try:
                    yield anchor + number * self.period
                except OverflowError:
                    return

    def _normalise(self, name: str, value: timedelta | float | None) -> None:
        """Durations are told apart by their length, not by how they were written."""
        if value is not None:
            object.__setattr__(self, name, seconds(value, name))

    def _check_every(self, period: timedelta) -> None:
        check_duration(period, "every")
        if period < SHORTEST:
            raise InvalidOption(
                f"every is at least one second, got {period.total_seconds():g}. What happens more "
                "often is a loop inside of a task."
            )
        if self.spread >= period:
            raise InvalidOption(
                f"jitter ({self.spread}) must be shorter than every ({period}), or jobs would "
                "overtake each other."
            )

    def _check_policies(self) -> None:
        check_duration(self.spread, "jitter", at_least_zero=True)
        if self.spread > LONGEST_JITTER:
            raise InvalidOption(f"jitter is at most a day, got {self.spread}.")
        if self.missed not in ("skip", "latest", "all"):
            raise InvalidOption(f'missed is "skip", "latest" or "all", got {self.missed!r}.')
        if self.overlap not in ("allow", "skip", "queue"):
            raise InvalidOption(f'overlap is "allow", "skip" or "queue", got {self.overlap!r}.')
        check_integer(self.most_missed, "most_missed", 1, 10_000)
        if self.most_missed != 100 and self.missed != "all":
            raise InvalidOption(
                f'most_missed bounds missed="all", but missed is "{self.missed}". Leave one out.'
            )


def _check_at(at: object) -> None:
    if not isinstance(at, datetime):
        raise InvalidOption(f"at is a datetime, got {type(at).__name__}.")
    if at.tzinfo is None or at.utcoffset() is None:
        raise InvalidOption(
            "at is a naive datetime, which names no instant. "
            "Give it a zone: datetime.now(UTC), or value.astimezone()."
        )
    if not 2 <= at.year <= 9998:
        raise InvalidOption(f"at lies between the years 2 and 9998, got {at.year}.")


def check_schedule_name(name: object) -> None:
    """What the database will take as the name of a schedule. Raises InvalidOption."""
    check_name(name, "schedule name", 200)


def declared(schedule: Schedule | None, cron: str | None, timezone: str | None) -> Schedule | None:
    """The schedule that a task declares, from the whole value or its shorthand."""
    if schedule is not None:
        if not isinstance(schedule, Schedule):
            kind = type(schedule).__name__
            raise InvalidOption(f"schedule is a Schedule, such as Schedule(every=60), got {kind}.")
        if cron is not None or timezone is not None:
            raise InvalidOption("schedule= says it all: leave cron= and timezone= out.")
        return schedule
    if cron is not None:
        return Schedule(cron=cron, timezone="UTC" if timezone is None else timezone)
    if timezone is not None:
        raise InvalidOption('timezone= goes with cron=, as in cron="0 9 * * 1-5".')
    return None
