"""When a cron expression ticks in a zone: what a clock on the wall shows, turned into instants.

cronsim reads the expression and walks over the wall-clock times that match it, without a zone. What
a change of the clock does to them is decided here, by one of two rules:

- Fixed times (`30 2 * * *`) happen once a day, whatever the clock does: a time that it jumps over
  happens at the first instant after the jump, one that it shows twice happens the first time.
- Interval-like expressions, with `*` or `/` in the minute or the hour (`*/15 * * * *`), tick at
  every instant at which the clock shows a matching time, so that time passes evenly between them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from .errors import InvalidOption

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LONGEST = 200
"""Bytes of an expression."""

_FIELDS = "minute hour day-of-month month day-of-week, with seconds before them if there are six"
_STRIDE = timedelta(hours=6)
"""Zones do not change their clock twice in so short a time."""
_SECOND, _NOTHING = timedelta(seconds=1), timedelta(0)
_ZONE_NAME = re.compile(r"(?!localtime$|posixrules$)[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*")
"""Of a zone that is the same on every machine."""


class Cron:
    """A checked expression in a checked zone. Ticks are aware instants in UTC, on whole seconds."""

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        self.text = _fields(expression)
        self._zone = zone(timezone)
        _walk(self.text, datetime(2000, 1, 1))  # noqa: DTZ001 - what a clock on the wall shows
        minute, hour = self.text.split()[-5:-3]
        self._is_fixed = not set("*/") & set(minute + hour)

    def next_after(self, instant: datetime) -> datetime | None:
        """The first tick later than the instant; None when the calendar ends before it."""
        return next(self.after(instant), None)

    def after(self, instant: datetime) -> Iterator[datetime]:
        """All the ticks later than the instant, in their order."""
        instant = instant.astimezone(UTC).replace(microsecond=0)
        last = instant
        try:
            for tick in self._fixed(instant) if self._is_fixed else self._evenly(instant):
                if tick > last:  # several times that are jumped over are one tick
                    yield tick
                    last = tick
        except OverflowError:
            return

    def explain(self) -> str:
        """The expression in English."""
        from cronsim import CronSim

        words: str = CronSim(self.text, datetime(2000, 1, 1)).explain()  # noqa: DTZ001 - the same
        return words

    def _fixed(self, instant: datetime) -> Iterator[datetime]:
        """Wall-clock times in their order; so are their instants, but some may be too early."""
        for wall in _walk(self.text, self._wall(instant)):
            yield self._instant(wall)

    def _evenly(self, instant: datetime) -> Iterator[datetime]:
        """Between two changes of the clock, wall-clock time and elapsed time are the same."""
        walking = _walk(self.text, self._wall(instant))
        while True:
            tick = (next(walking) - (self._offset(instant) or _NOTHING)).replace(tzinfo=UTC)
            change = self._change(instant, tick)
            if change is None:
                yield tick
                instant = tick
            else:
                instant = change
                walking = _walk(self.text, self._wall(change) - _SECOND)

    def _wall(self, instant: datetime) -> datetime:
        """What the clock shows at an instant."""
        return instant.astimezone(self._zone).replace(tzinfo=None, fold=0)

    def _instant(self, wall: datetime) -> datetime:
        """When the clock shows this for the first time, or the end of the jump over it."""
        early, late = (wall.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        before, after = early.utcoffset(), late.utcoffset()
        assert before is not None
        assert after is not None
        if before >= after:
            return early.astimezone(UTC)
        # The jump is no longer ago, at the clock's old pace, than it is wide.
        return self._bisect((wall - after).replace(tzinfo=UTC), (wall - before).replace(tzinfo=UTC))

    def _change(self, instant: datetime, until: datetime) -> datetime | None:
        """The first change of the clock after the instant, up to a later one."""
        offset = self._offset(instant)
        while instant < until:
            later = min(instant + _STRIDE, until)
            if self._offset(later) != offset:
                return self._bisect(instant, later)
            instant = later
        return None

    def _bisect(self, before: datetime, after: datetime) -> datetime:
        """The first second with the offset of `after`, between two instants around one change."""
        offset = self._offset(after)
        low, high = 0, int((after - before).total_seconds())
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(before + middle * _SECOND) == offset:
                high = middle
            else:
                low = middle
        return before + high * _SECOND

    def _offset(self, instant: datetime) -> timedelta | None:
        return instant.astimezone(self._zone).utcoffset()


def _walk(text: str, wall: datetime) -> Iterator[datetime]:
    """Matching wall-clock times later than this one. Raises InvalidOption when there are none."""
    from cronsim import CronSim, CronSimError

    try:
        walking = CronSim(text, wall)
        first = next(walking, None)
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        why = "it has not 5 or 6 fields" if "fields" in field else f"its {field} cannot be"
        raise _refused(text, why) from None
    except (AssertionError, TypeError, ValueError):
        raise _refused(text, "it mixes what does not go together") from None
    if first is None:
        raise _refused(text, "no day will ever match it")

    def found() -> Iterator[datetime]:
        yield first
        yield from walking

    return found()


def _fields(expression: str) -> str:
    """The expression with its word written out."""
    if not isinstance(expression, str):
        raise InvalidOption(f"cron is a string, got {type(expression).__name__}.")
    text = expression.strip()
    if len(text.encode(errors="replace")) > LONGEST:
        raise InvalidOption(f"cron has at most {LONGEST} bytes; make several schedules of it.")
    if text.startswith("@"):
        if text.lower() not in WORDS:
            raise InvalidOption(f"cron knows no word {text!r}. There are: {', '.join(WORDS)}.")
        return WORDS[text.lower()]
    return text


def _refused(text: str, why: str) -> InvalidOption:
    return InvalidOption(f"cron {text!r}: {why}. Write {_FIELDS}; or one of {', '.join(WORDS)}.")


@functools.lru_cache(maxsize=1000)
def zone(name: str) -> ZoneInfo:
    """The time zone of this name. Raises InvalidOption."""
    from zoneinfo import ZoneInfo, available_timezones

    if not isinstance(name, str):
        raise InvalidOption(f"timezone is a name, got {type(name).__name__}.")
    try:
        if _ZONE_NAME.fullmatch(name):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    import difflib

    known = sorted(filter(_ZONE_NAME.fullmatch, available_timezones()))
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else "Write it as Europe/Berlin or UTC."
    raise InvalidOption(
        f"there is no time zone {name!r} here. {hint} Zones come from the system, "
        "or from the package tzdata."
    )
