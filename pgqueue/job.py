"""What a job is, before and after it is a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from .bounds import check_duration, check_instant, check_integer, check_name
from .errors import InvalidOption
from .flow import Flow

DEFAULT_QUEUE = "default"
DEFAULT_MAX_ATTEMPTS = 20
LOWEST_PRIORITY, HIGHEST_PRIORITY = -10, 10
PRIORITIES = tuple(range(HIGHEST_PRIORITY, LOWEST_PRIORITY - 1, -1))
"""Every priority, in the order in which jobs run: the highest first."""

State = Literal[
    "queued", "scheduled", "running", "retrying", "blocked", "succeeded", "dead", "cancelled"
]
"""A job is queued, running, succeeded, dead or cancelled; views call a queued job whose time has
not come scheduled, or retrying after a failed attempt, and one that waits for something other than
time blocked.
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
    flow: Flow | None = None
    max_backlog: int | None = None

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
        rule = self.flow and self.flow.unique
        if rule and rule.sets_time and (self.run_at is not None or self.delay is not None):
            raise InvalidOption("debounce says when the job runs: leave run_at and delay out.")
        if self.flow is not None:
            self.flow.check_due(self.run_at or self.delay)
        if self.max_backlog is not None:
            check_integer(self.max_backlog, "max_backlog", 1, 1_000_000_000)
        if self.timeout is not None:
            check_duration(self.timeout, "timeout")
        if isinstance(self.tags, str):
            raise InvalidOption(f"tags is a list of strings, got the string {self.tags!r}.")
        for tag in self.tags:
            check_name(tag, "tag", 100)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is not enqueued yet: a task's name, its arguments and its flow as JSON, its
    options.
    """

    task: str
    args: str
    options: JobOptions
    flow: str | None = None


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
    flow: str | None

    @property
    def finished(self) -> bool:
        return self.state in FINAL_STATES
