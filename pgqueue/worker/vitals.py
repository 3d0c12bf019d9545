"""Whether a worker lives, and whether it is ready: judged from what its parts last said, by threads
that must not wait for its event loop.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from .parts import Parts

Phase = Literal["starting", "working", "quiet", "draining", "stopped"]


class Verdict(NamedTuple):
    """Yes or no, a reason for people, and the figures behind it."""

    well: bool
    reason: str
    facts: dict[str, Any]


class Pulse(NamedTuple):
    """What the heart and the claimer last said. Ages are seconds; None: not yet."""

    beating: bool
    offline: bool
    beat_age: float | None
    claim_age: float | None
    full: bool


class Vitals:
    """What a worker knows of itself. Single fields are written and read, so there is no lock."""

    def __init__(
        self, settings: WorkerSettings, *, took: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self.settings = settings
        self.phase: Phase = "starting"
        self.parts: Parts | None = None
        self._took = took
        self._claimed_at: float | None = None

    def claimed(self, seconds: float) -> None:
        """The database has answered a claim after so long."""
        self._claimed_at = time.monotonic()
        self._took(seconds)

    def live(self) -> Verdict:
        return judge_live(self.phase, self._pulse(), self.settings.lease)

    def ready(self) -> Verdict:
        return judge_ready(self.phase, self._pulse(), self.settings.longest_silence)

    def slots(self) -> dict[str, int]:
        """How many slots are in which state."""
        total, parts = self.settings.concurrency, self.parts
        if parts is None:
            return {"busy": 0, "stuck": 0, "free": total}
        running, stuck = parts.slots.running, parts.threads.stuck
        return {"busy": running - stuck, "stuck": stuck, "free": max(0, total - running)}

    def _pulse(self) -> Pulse:
        parts, now = self.parts, time.monotonic()
        if parts is None:
            return Pulse(False, False, None, None, False)
        heart = parts.heart
        return Pulse(
            heart.beating,
            heart.offline,
            None if heart.beat_at is None else now - heart.beat_at,
            None if self._claimed_at is None else now - self._claimed_at,
            parts.is_full,
        )


def judge_live(phase: Phase, pulse: Pulse, lease: float) -> Verdict:
    """Whether a restart could help. Without a database it could not: then the answer is yes, and
    workers are not restarted again and again while it is away.
    """
    facts = {"phase": phase, "beat_age": _rounded(pulse.beat_age)}
    if phase == "stopped" or pulse.beat_age is None:
        return Verdict(True, phase, facts)
    if not pulse.beating:
        return Verdict(False, "the heartbeat thread has ended", facts)
    if pulse.offline:
        return Verdict(True, "no connection to the database; trying again", facts)
    if pulse.beat_age > lease:
        reason = f"the lease is lost: no heartbeat for {pulse.beat_age:.1f} s"
        return Verdict(False, reason, facts)
    return Verdict(True, phase, facts)


def judge_ready(phase: Phase, pulse: Pulse, longest: float) -> Verdict:
    """Whether it takes jobs: the database answered a claim not long ago, or, while every slot is in
    use and there is nothing to claim for, a heartbeat.
    """
    facts = {
        "phase": phase,
        "claim_age": _rounded(pulse.claim_age),
        "beat_age": _rounded(pulse.beat_age),
        "full": pulse.full,
    }
    if phase != "working":
        return Verdict(False, phase, facts)
    if pulse.claim_age is not None and pulse.claim_age <= longest:
        return Verdict(True, "it claims jobs", facts)
    if pulse.full and pulse.beat_age is not None and pulse.beat_age <= longest:
        return Verdict(True, "every slot is in use", facts)
    if pulse.claim_age is None:
        return Verdict(False, "no claim was answered yet", facts)
    return Verdict(False, f"no claim was answered for {pulse.claim_age:.1f} s", facts)


def _rounded(age: float | None) -> float | None:
    return None if age is None else round(age, 1)
