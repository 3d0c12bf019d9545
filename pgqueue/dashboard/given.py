"""What a visitor gave in a URL or a form, checked. A bad value is a page that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException

from ..errors import UsageError
from .moments import parse_moment
from .search import LARGEST_ID, is_storable

MOST_FIELDS = 2_000
"""Room for the 1,000 jobs that can be selected at once, and for what a form says beside them."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LENGTH = re.compile(r"(?:\d{1,9}(?:\.\d{1,6})?[smhd]\s*)+")
_PART = re.compile(r"([\d.]+)([smhd])")


class Given:
    """The values by their names; where a name comes several times, the last counts unless all are
    asked for. Nothing and blanks count as left out.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)
        self.typed: Mapping[str, str] = dict(self._pairs)
        """As they came, unchecked: for a form that is shown again."""

    def text(self, name: str, most: int = 200) -> str | None:
        """Words, at most so many characters."""
        value = self.typed.get(name, "").strip()
        if len(value) > most:
            raise refused(f"{name} is too long: at most {most:,} characters.")
        if not all(map(is_storable, value)):
            raise refused(f"{name} has a character that cannot be stored.")
        return value or None

    def one_of(self, name: str, known: Sequence[str], otherwise: str = "") -> str:
        """One of the words that are known."""
        return _known(name, self.text(name) or otherwise, known)

    def some_of(self, name: str, known: Sequence[str]) -> list[str]:
        """Several of the words that are known, as checkboxes give them."""
        return [_known(name, value, known) for value in self._every(name)]

    def number(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        value = self.text(name)
        return None if value is None else _whole(name, value, least, most)

    def demanded(self, name: str, least: int, most: int) -> int:
        """A whole number within bounds, which has to be there."""
        found = self.number(name, least, most)
        if found is None:
            raise refused(f"{name} is missing: a whole number between {least:,} and {most:,}.")
        return found

    def ids(self, name: str, most: int) -> list[int]:
        """The ids of jobs, each once and in order."""
        values = self._every(name)
        if len(values) > most:
            raise refused(f"At most {most:,} jobs at once; got {len(values):,}.")
        return sorted({_whole(name, value, 1, LARGEST_ID) for value in values})

    def instant(self, name: str) -> datetime | None:
        """A time as people type it: +10m, or 2026-11-22T10:00."""
        value = self.text(name, 60)
        try:
            return None if value is None else parse_moment(value).from_now()
        except ValueError as error:
            raise refused(f"{name}: {error}") from None

    def length(self, name: str, least: timedelta, most: timedelta) -> timedelta | None:
        """A length of time within bounds, as 30m, 1h 30m or 7d."""
        value = self.text(name)
        if value is None:
            return None
        if not _LENGTH.fullmatch(value):
            raise refused(f"{name} is a time as 30s, 15m, 2h or 7d; got “{value}”.")
        seconds = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(value))
        if not least.total_seconds() <= seconds <= most.total_seconds():
            raise refused(f"{name} lies between {written(least)} and {written(most)}.")
        return timedelta(seconds=seconds)

    def _every(self, name: str) -> list[str]:
        return [value.strip() for given, value in self._pairs if given == name]


def read_form(body: bytes) -> Given:
    """The fields of a form. How long the body may be, the guard has seen to."""
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise refused(f"A form has at most {MOST_FIELDS:,} fields, in UTF-8.") from None
    return Given(pairs)


def refused(what: str | UsageError) -> HTTPException:
    """The page for a value that cannot be taken."""
    return HTTPException(400, f"{what} Go back and change it.")


def _known(name: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise refused(f"{name} is one of {', '.join(known)}; got “{value[:40]}”.")
    return value


def _whole(name: str, value: str, least: int, most: int) -> int:
    digits = value.removeprefix("-") if least < 0 else value
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        raise refused(f"{name} is a whole number; got “{value[:40]}”.")
    if not least <= int(value) <= most:
        raise refused(f"{name} lies between {least:,} and {most:,}; got {int(value):,}.")
    return int(value)


def written(length: timedelta | None) -> str:
    """A length of time as a form takes it: 1h 30m."""
    if length is None:
        return ""
    rest = length.total_seconds()
    parts = []
    for unit, size in reversed(UNITS.items()):
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number:.0f}{unit}")
    return " ".join(parts)
