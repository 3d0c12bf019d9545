"""What a job is, before and after it is a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from .errors import InvalidOption

DEFAULT_QUEUE = "default"
DEFAULT_MAX_ATTEMPTS = 20
LOWEST_PRIORITY, HIGHEST_PRIORITY = -10, 10
PRIORITIES = tuple(range(HIGHEST_PRIORITY, LOWEST_PRIORITY - 1, -1))
"""Every priority, in the order in which jobs run: the highest first."""

State = Literal["queued", "scheduled", "running", "retrying", "succeeded", "dead", "cancelled"]
"""A job is queued, running, succeeded, dead or cancelled; views call a queued job whose time has
not come scheduled, or retrying after a failed attempt.
"""

FINAL_STATES = frozenset({"succeeded", "dead", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """How a job is to be run. `run_at` is an aware datetime; `delay` counts from now instead."""

    queue: str = DEFAULT_QUEUE
    priority: int = 0
    run_at: datetime | None = None
    delay: timedelta | None = None
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    timeout: timedelta | None = None
    tags: tuple[str, ...] = ()
    meta: str | None = None

    def __post_init__(self) -> None:
        check_name(self.queue, "queue", 100)
        check_integer(self.priority, "priority", LOWEST_PRIORITY, HIGHEST_PRIORITY)
        check_integer(self.max_attempts, "max_attempts", 1, 1000)
        if self.run_at is not None:
            check_instant(self.run_at)
        if self.delay is not None:
            check_duration(self.delay, "delay", at_least_zero=True)
        if self.run_at is not None and self.delay is not None:
            raise InvalidOption("run_at and delay exclude each other: give one of them.")
        if self.timeout is not None:
            check_duration(self.timeout, "timeout")
        if isinstance(self.tags, str):
            raise InvalidOption(f"tags is a list of strings, got the string {self.tags!r}.")
        for tag in self.tags:
            check_name(tag, "tag", 100)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is not enqueued yet: a task's name, its arguments as JSON, its options."""

    task: str
    args: str
    options: JobOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as the view `pgqueue.jobs` showed it at one moment. Times are aware, in UTC."""

    id: int
    queue: str
    task: str
    state: State
    priority: int
    attempt: int
    max_attempts: int
    run_at: datetime
    enqueued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    timeout: timedelta | None
    args: str
    tags: list[str] | None
    meta: str | None
    progress: str | None
    result: str | None
    reason: str | None
    cancel_requested_at: datetime | None
    worker_id: int | None

    @property
    def finished(self) -> bool:
        return self.state in FINAL_STATES


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


def check_instant(value: object) -> None:
    if not isinstance(value, datetime):
        raise InvalidOption(f"run_at is a datetime, got {type(value).__name__}.")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidOption(
            "run_at is a naive datetime, which names no instant. "
            "Give it a zone: datetime.now(UTC), or value.astimezone()."
        )
    if not 2 <= value.year <= 9998:
        raise InvalidOption(f"run_at lies between the years 2 and 9998, got {value.year}.")


def check_duration(value: object, what: str, *, at_least_zero: bool = False) -> None:
    if not isinstance(value, timedelta):
        raise InvalidOption(f"{what} is a timedelta, got {type(value).__name__}.")
    if value < timedelta(0) or (value == timedelta(0) and not at_least_zero):
        raise InvalidOption(
            f"{what} must {'not be negative' if at_least_zero else 'be positive'}, "
            f"got {value.total_seconds():g} seconds."
        )
    if value > timedelta(days=365 * 1000):
        raise InvalidOption(f"{what} is at most 1000 years, got {value}.")


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
