"""How a worker works: one frozen value that validates itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from .bounds import check_integer, check_name
from .errors import InvalidOption
from .job import DEFAULT_QUEUE

READY_WITHIN = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """All durations are seconds."""

    queues: Mapping[str, int | None] = field(default_factory=lambda: {DEFAULT_QUEUE: None})
    """Queues served, and the most jobs of each that run here at once (None: up to `concurrency`).
    """
    weights: Mapping[str, int] = field(default_factory=dict)
    """How many jobs of a queue are claimed for each one of a queue that is not named here, while
    both have jobs.
    """
    strict: bool = False
    """Serve the queues in their order: a later one gets slots only when the earlier ones have
    nothing to claim.
    """
    concurrency: int = 20
    """Jobs that run at once in this process, whether in threads or on the event loop."""
    prefetch: int = 1_000
    """Most jobs claimed ahead of a free slot. Short jobs need it; long ones are not prefetched."""
    children: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Child processes for tasks with run_in="process"."""
    poll: float = 3.0
    """Seconds between looks at an empty queue while asleep. Notifications make it quicker."""
    listen: bool = True
    """Wake up by LISTEN/NOTIFY. Switch it off behind a pooler in transaction mode."""
    heartbeat: float = 5.0
    lease: float = 15.0
    """Jobs of a worker that sent no heartbeat for this long are given to others."""
    grace: float = 30.0
    """What running jobs are given to finish when the worker is asked to stop."""
    once: bool = False
    """Stop when no job is due and none runs."""
    max_jobs: int | None = None
    """Stop after this many jobs; a supervisor starts a fresh process."""
    max_idle: float | None = None
    """Stop after so long without a job."""
    max_rss_mb: int | None = None
    """Stop when the process uses more memory than this; a supervisor starts a fresh one."""
    schedules: bool = True
    """Tick the schedules whose task the application knows, unless `once`."""
    health_port: int | None = None
    """Answer /livez, /readyz and /metrics there, from a thread of its own."""
    health_host: str = "127.0.0.1"
    """The address for that. Whoever reaches it sees the names of queues and tasks."""
    ready_within: float | None = None
    """Ready means that the database answered a claim within so many seconds. None: 15, or three
    times `poll` or `heartbeat` where that is more.
    """
    name: str | None = None
    """What people see. Two workers may share it: the identity is new with every start."""

    def __post_init__(self) -> None:
        if not isinstance(self.queues, Mapping):
            kind = type(self.queues).__name__
            raise InvalidOption(
                f'queues maps names to limits, as in {{"default": None}}, got {kind}.'
            )
        if not self.queues:
            raise InvalidOption("a worker needs at least one queue.")
        for queue, limit in self.queues.items():
            check_name(queue, "queue", 100)
            if limit is not None:
                check_integer(limit, f"the limit of queue {queue}", 1, 100_000)
        self._check_weights()
        check_integer(self.concurrency, "concurrency", 1, 100_000)
        check_integer(self.prefetch, "prefetch", 0, 10_000)
        check_integer(self.children, "children", 1, 1_000)
        for name in ("max_jobs", "max_rss_mb"):
            if getattr(self, name) is not None:
                check_integer(getattr(self, name), name, 1, 1_000_000_000)
        for name in ("poll", "heartbeat", "lease"):
            _check_seconds(name, getattr(self, name), least=0.01)
        _check_seconds("grace", self.grace, least=0)
        if self.max_idle is not None:
            _check_seconds("max_idle", self.max_idle, least=0)
        if self.lease < 2 * self.heartbeat:
            raise InvalidOption(
                f"lease ({self.lease:g} s) must be at least twice the heartbeat "
                f"({self.heartbeat:g} s), or one late heartbeat would give running jobs to others."
            )
        if self.name is not None:
            check_name(self.name, "name", 100)
        self._check_health()

    @property
    def longest_silence(self) -> float:
        """Seconds without an answer after which a worker is not ready."""
        if self.ready_within is not None:
            return self.ready_within
        return max(READY_WITHIN, 3 * self.poll, 3 * self.heartbeat)

    def weight_of(self, queue: str) -> int:
        """The queue's share of the claims, to be compared with those of the others."""
        return self.weights.get(queue, 1)

    def _check_health(self) -> None:
        if self.health_port is not None:
            check_integer(self.health_port, "health_port", 1, 65535)
        check_name(self.health_host, "health_host", 200)
        if self.ready_within is None:
            return
        _check_seconds("ready_within", self.ready_within, least=0.1)
        if self.ready_within < 1.5 * self.poll:
            raise InvalidOption(
                f"ready_within ({self.ready_within:g} s) must be at least one and a half times "
                f"poll ({self.poll:g} s), or a worker that sleeps would not be ready."
            )

    def _check_weights(self) -> None:
        if not isinstance(self.weights, Mapping):
            kind = type(self.weights).__name__
            raise InvalidOption(f"weights maps names of queues to numbers, got {kind}.")
        if not isinstance(self.strict, bool):
            raise InvalidOption(f"strict is True or False, got {self.strict!r}.")
        if self.strict and self.weights:
            raise InvalidOption(
                "strict and weights exclude each other: queues in strict order have no shares."
            )
        for queue, weight in self.weights.items():
            if queue not in self.queues:
                raise InvalidOption(f'weights names the queue "{queue}", which is not served.')
            check_integer(weight, f"the weight of queue {queue}", 1, 1_000)


def _check_seconds(name: str, value: object, *, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidOption(f"{name} is a number of seconds, got {type(value).__name__}.")
    if not least <= value <= 1e8:
        raise InvalidOption(f"{name} lies between {least:g} and 100000000 seconds, got {value:g}.")


class WorkerOptions(TypedDict, total=False):
    """The fields of `WorkerSettings` as keyword arguments; a test says that they are the same."""

    queues: Mapping[str, int | None]
    weights: Mapping[str, int]
    strict: bool
    concurrency: int
    prefetch: int
    children: int
    poll: float
    listen: bool
    heartbeat: float
    lease: float
    grace: float
    once: bool
    max_jobs: int | None
    max_idle: float | None
    max_rss_mb: int | None
    schedules: bool
    health_port: int | None
    health_host: str
    ready_within: float | None
    name: str | None
