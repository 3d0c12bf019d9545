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
    """An attempt ended with `outcome`, after `ran` seconds. The outcome may not be stored yet."""

    worker: str
    job_id: int
    task: str
    queue: str
    attempt: int
    max_attempts: int
    ran: float
    outcome: Outcome


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
    | WorkerDraining
    | WorkerStopped
    | JobStarted
    | JobFinished
    | LeaseWasLost
    | JobRescued
    | JobsReleased
    | UnknownTaskSeen
    | ConnectionLost
    | ConnectionRestored
    | ListenerDegraded
    | Trouble
)
Observer = Callable[[Event], None]
