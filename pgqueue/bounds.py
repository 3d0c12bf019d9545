"""What a value may be before it becomes part of a row: names, numbers, instants, durations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .errors import InvalidOption


def check_name(name: object, what: str, most: int) -> None:
    """A name is 1 to `most` bytes of UTF-8 without NUL: what the database will take."""
    if not isinstance(name, str):
        raise InvalidOption(f"{what} is a string, got {type(name).__name__}.")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidOption(
            f"{what} {name!r} is not valid Unicode: it has a lone surrogate."
        ) from None
    if not 1 <= size <= most:
        raise InvalidOption(f"{what} has 1 to {most} bytes, got {size}.")
    if "\x00" in name:
        raise InvalidOption(
            f"{what} {name!r} contains a NUL character, which PostgreSQL cannot store."
        )


def check_integer(value: object, what: str, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOption(f"{what} is an integer, got {type(value).__name__}.")
    if not least <= value <= most:
        raise InvalidOption(f"{what} lies between {least} and {most}, got {value}.")


def check_instant(value: object, what: str = "run_at") -> None:
    if not isinstance(value, datetime):
        raise InvalidOption(f"{what} is a datetime, got {type(value).__name__}.")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidOption(
            f"{what} is a naive datetime, which names no instant. "
            "Give it a zone: datetime.now(UTC), or value.astimezone()."
        )
    if not 2 <= value.year <= 9998:
        raise InvalidOption(f"{what} lies between the years 2 and 9998, got {value.year}.")


def check_duration(
    value: object, what: str, *, at_least_zero: bool = False, at_least: timedelta | None = None
) -> None:
    if not isinstance(value, timedelta):
        raise InvalidOption(f"{what} is a timedelta, got {type(value).__name__}.")
    if value < timedelta(0) or (value == timedelta(0) and not at_least_zero):
        raise InvalidOption(
            f"{what} must {'not be negative' if at_least_zero else 'be positive'}, "
            f"got {value.total_seconds():g} seconds."
        )
    if at_least is not None and value < at_least:
        raise InvalidOption(f"{what} is at least {at_least}, got {value}.")
    if value > timedelta(days=365 * 1000):
        raise InvalidOption(f"{what} is at most 1000 years, got {value}.")


def ending(until: datetime | timedelta | None) -> dict[str, Any]:
    """The parameters that tell the database when a pause ends: an instant, or seconds from now."""
    if isinstance(until, timedelta):
        check_duration(until, "until")
        return {"until": None, "seconds": until.total_seconds()}
    if until is not None:
        check_instant(until, "until")
    return {"until": until, "seconds": None}


def seconds(value: Any, what: str) -> timedelta:
    """A duration given as timedelta or as a number of seconds."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidOption(
            f"{what} is a timedelta or a number of seconds, got {type(value).__name__}."
        )
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise InvalidOption(f"{what} is out of range: {value} seconds.") from None


def interval(duration: timedelta) -> str:
    """The duration as the database reads it."""
    return f"{duration.total_seconds():.6f} seconds"
