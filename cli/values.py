"""What is typed after flags: durations, moments, queues with limits, paths into JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click

Several = Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[Any, ...]]

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_LONGEST = 1000 * 365 * 86400
_MOST = 1_000_000_000


def parse_duration(text: str) -> timedelta:
    """`30s`, `5m`, `2h30m`, `1.5d`, `250ms`; a bare number is seconds. Raises ValueError."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        text += "s"
    if not _DURATION.fullmatch(text):
        raise ValueError(f'"{text}" is not a duration. Write it as 30s, 5m, 2h30m or 7d.')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if seconds > _LONGEST:
        raise ValueError(f'"{text}" is longer than 1000 years.')
    return timedelta(seconds=seconds)


def parse_rate(text: str) -> tuple[int, timedelta]:
    """`100/m`, `5/s`, `1000/1h30m`: how many in which time. Raises ValueError."""
    number, slash, per = text.strip().partition("/")
    if not slash or not number.isascii() or not number.isdecimal() or not 1 <= int(number) <= _MOST:
        raise ValueError(f'"{text}" is not a rate. Write it as 100/m, 5/s or 1000/1h30m.')
    return int(number), parse_duration(f"1{per}" if per in _UNITS else per)


@dataclass(frozen=True)
class Moment:
    """An instant, or an offset from the database's now; `text` is how it was typed."""

    text: str
    at: datetime | None = None
    offset: timedelta | None = None


def parse_moment(text: str, *, durations_are_past: bool) -> Moment:
    """`2026-11-22T12:00Z`, `now+10m`, `now-1h`; `1h` where it can only mean an hour ago."""
    text = text.strip()
    if text == "now":
        return Moment(text, offset=timedelta(0))
    if text.startswith(("now+", "now-")):
        length = parse_duration(text[4:])
        return Moment(text, offset=length if text[3] == "+" else -length)
    if _DURATION.fullmatch(text) and durations_are_past:
        return Moment(text, offset=-parse_duration(text))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        shapes = "2026-11-22T12:00Z or now+10m"
        if durations_are_past:
            shapes = "1h (an hour ago) or 2026-11-22T12:00Z"
        raise ValueError(f'"{text}" is not a time. Write it as {shapes}.') from None
    if instant.tzinfo is None:
        raise ValueError(
            f'"{text}" has no zone, so it names no instant. '
            f"Add Z for UTC or an offset: {text}Z, {text}+01:00."
        )
    if not 2 <= instant.year <= 9998:
        raise ValueError(f'"{text}" does not lie between the years 2 and 9998.')
    return Moment(text, at=instant)


class DurationType(click.ParamType):  # type: ignore[type-arg]  # generic in newer Click only
    """A duration as `timedelta`, or as a float of seconds."""

    name = "DUR"

    def __init__(self, *, as_seconds: bool) -> None:
        self.as_seconds = as_seconds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            length = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return length.total_seconds() if self.as_seconds else length


class RateType(click.ParamType):  # type: ignore[type-arg]  # generic in newer Click only
    """`N/DUR`, as a pair of a number and a `timedelta`."""

    name = "N/DUR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            return parse_rate(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class MomentType(click.ParamType):  # type: ignore[type-arg]  # generic in newer Click only
    """A `Moment`."""

    name = "TIME"

    def __init__(self, *, durations_are_past: bool) -> None:
        self.durations_are_past = durations_are_past

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Moment):
            return value
        try:
            return parse_moment(value, durations_are_past=self.durations_are_past)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class QueueLimitType(click.ParamType):  # type: ignore[type-arg]  # generic in newer Click only
    """`NAME` or `NAME:LIMIT`, as a pair. `NAME:` has no limit, and lets a name have a colon."""

    name = "NAME[:LIMIT]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        name, colon, limit = value.rpartition(":")
        if not colon:
            return value, None
        if not limit:
            return name, None
        if not limit.isascii() or not limit.isdecimal() or not 1 <= int(limit) <= 100_000:
            self.fail(f'"{limit}" is not a limit: write {name}:10, or {name} for none.', param, ctx)
        return name, int(limit)


def several(kind: Any) -> Several:
    """The callback of an option that may be given more than once, or once with commas between."""

    def split(
        ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
    ) -> tuple[Any, ...]:
        parts = [part for text in texts for part in text.split(",")]
        if "" in parts:
            raise click.BadParameter("a name is empty. Write it as email,pay.", ctx, param)
        return tuple(kind.convert(part, param, ctx) for part in parts)

    return split


class QueueWeightType(click.ParamType):  # type: ignore[type-arg]  # generic in newer Click only
    """`NAME=WEIGHT`, as a pair."""

    name = "NAME=N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        name, _, weight = value.rpartition("=")
        is_number = weight.isascii() and weight.isdecimal()
        if not name or not is_number or not 1 <= int(weight) <= 1000:
            self.fail(f'"{value}" is not a weight: write email=3, with 1 to 1000.', param, ctx)
        return name, int(weight)


class WhereType(click.ParamType):  # type: ignore[type-arg]  # generic in newer Click only
    """`args.user.id=42` or `meta.source!=web`: a document, a path in it, whether equal, a value."""

    name = "PATH=VALUE"
    _form = re.compile(r"(args|meta|progress|result)\.([^=!]+?)\s*(!?=)\s*(.*)", re.DOTALL)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Where):
            return value
        match = self._form.fullmatch(value)
        if match is None:
            self.fail(
                f'"{value}" is not a condition. Write it as args.user_id=42; '
                "documents are args, meta, progress and result.",
                param,
                ctx,
            )
        return Where(value, match[1], match[2].split("."), match[3] == "=", match[4])


@dataclass(frozen=True)
class Where:
    """A condition on a value inside one of a job's documents."""

    text: str
    document: str
    path: list[str]
    is_equal: bool
    value: str


DURATION = DurationType(as_seconds=False)
SECONDS = DurationType(as_seconds=True)
PAST = MomentType(durations_are_past=True)
TIME = MomentType(durations_are_past=False)
RATE = RateType()
QUEUE_LIMIT = QueueLimitType()
QUEUE_WEIGHT = QueueWeightType()
QUEUES = several(click.STRING)
WHERE = WhereType()
