"""Times as people type them: an instant, or so long before or after now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_OFFSET = re.compile(r"([+-])((?:[0-9]{1,9}[smhdw]){1,5})")
_PART = re.compile(r"([0-9]+)([smhdw])")
_LONGEST = 1000 * 365 * 86400
SHAPES = "-2h (two hours ago), +10m (in ten minutes) or 2026-11-22T10:00 (UTC)"


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, or an offset from the database's now."""

    at: datetime | None = None
    offset: timedelta | None = None

    def sql(self, name: str) -> str:
        """The moment as an expression over the parameter of that name."""
        if self.at is not None:
            return f"CAST(%({name})s AS timestamptz)"
        return f"(now() + CAST(%({name})s AS interval))"

    @property
    def value(self) -> datetime | timedelta:
        """What the parameter is."""
        found = self.at if self.at is not None else self.offset
        assert found is not None
        return found

    def from_now(self) -> datetime:
        """The instant that it is by our clock."""
        return self.at if self.at is not None else datetime.now(UTC) + (self.offset or timedelta())


def parse_moment(text: str) -> Moment:
    """A time without a zone is UTC. Raises ValueError with a sentence for whoever typed it."""
    text = text.strip()
    if text == "now":
        return Moment(offset=timedelta())
    found = _OFFSET.fullmatch(text)
    if found:
        seconds = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(found[2]))
        if seconds > _LONGEST:
            raise ValueError(f'"{text}" is longer than 1000 years.')
        return Moment(offset=timedelta(seconds=seconds if found[1] == "+" else -seconds))
    try:
        instant = datetime.fromisoformat(text)
        instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        if not 2 <= instant.year <= 9998:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f'"{text[:40]}" is not a time. Write it as {SHAPES}.') from None
    return Moment(at=instant)
