"""What happens, as frozen values for whoever listens: logs, metrics and tests are observers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .outcome import Outcome


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    worker: str
    worker_id: int
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    concurrency: int


@dataclass(frozen=True, slots=True)
class WorkerAsked:
    """Somebody asked the worker, by way of the database, for "quiet", "resume" or "stop"."""

    worker: str
    wish: str


@dataclass(frozen=True, slots=True)
class WorkerDraining:
    """The worker takes no new jobs; `running` are given until the grace time ends."""

    worker: str
    running: int
    grace: float


@dataclass(frozen=True, slots=True)
class WorkerStopped:
    worker: str
    succeeded: int
    retried: int
    dead: int
    released: int


@dataclass(frozen=True, slots=True)
class JobStarted:
    """An attempt begins. `waited` is seconds from when the job was due."""

    worker: str
    job_id: int
    task: str
    queue: str
    attempt: int
    max_attempts: int
    waited: float
    args: str


@dataclass(frozen=True, slots=True)
class JobFinished:
    """An attempt ended with `outcome`, after `ran` seconds. The outcome may not be stored yet.
    `trace_id` is that of the attempt's trace, if there is one.
    """

    worker: str
    job_id: int
    task: str
    queue: str
    attempt: int
    max_attempts: int
    ran: float
    outcome: Outcome
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class LeaseWasLost:
    """What this worker did for the job counts no more: another worker has it, or it was ended."""

    worker: str
    job_id: int


@dataclass(frozen=True, slots=True)
class JobRescued:
    """A job was taken back from a worker whose heartbeat stopped. `state` is what became of it."""

    worker: str
    job_id: int
    task: str
    queue: str
    lost_worker: str | None
    state: str


@dataclass(frozen=True, slots=True)
class JobsReleased:
    """Claimed jobs went back unrun, keeping their attempts and their place in line."""

    worker: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class UnknownTaskSeen:
    """A queue holds jobs of a task that this worker does not know; it leaves them to others."""

    worker: str
    task: str
    queue: str


@dataclass(frozen=True, slots=True)
class ScheduleTicked:
    """This worker did what was due of a schedule at `tick` (ISO 8601). `job_id` is None when no job
    was made, and then `note` says why.
    """

    worker: str
    schedule: str
    task: str
    tick: str
    job_id: int | None
    note: str | None


@dataclass(frozen=True, slots=True)
class ScheduleBroken:
    """A schedule cannot be followed, and makes no jobs until it is put or resumed."""

    worker: str
    schedule: str
    task: str
    error: str


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    worker: str
    role: str
    error: str


@dataclass(frozen=True, slots=True)
class ConnectionRestored:
    worker: str
    role: str


@dataclass(frozen=True, slots=True)
class ListenerDegraded:
    """Notifications do not arrive: the worker polls instead."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something failed that the worker survives and tries again."""

    worker: str
    where: str
    error: str


Event = (
    WorkerStarted
    | WorkerAsked
    | WorkerDraining
    | WorkerStopped
    | JobStarted
    | JobFinished
    | LeaseWasLost
    | JobRescued
    | JobsReleased
    | UnknownTaskSeen
    | ScheduleTicked
    | ScheduleBroken
    | ConnectionLost
    | ConnectionRestored
    | ListenerDegraded
    | Trouble
)
Observer = Callable[[Event], None]
