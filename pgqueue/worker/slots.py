"""The slots of a worker process: which jobs run, which wait for a slot, what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable

from ..application import Application
from ..events import JobFinished, JobStarted, LeaseWasLost, Observer
from ..outcome import Cancelled, Outcome, Succeeded
from .claimer import Claim
from .contexts import in_context
from .finisher import Finisher
from .runner import Attempt, Runner
from .threads import Threads
from .writer import Ended

TURN = 0.002
"""Seconds for which jobs that wait for nothing follow each other, before all else gets its turn."""


class Slots:
    """Runs claimed jobs as slots get free, higher priorities first.

    Each slot in use has a hand: a task that runs one job after the other while any wait here. A
    task for each job would take longer than many a job.
    """

    def __init__(
        self,
        app: Application,
        worker: str,
        concurrency: int,
        runner: Runner,
        threads: Threads,
        finisher: Finisher,
        *,
        emit: Observer | None,
        unknown: Callable[[Claim], None],
        freed: Callable[[], None],
    ) -> None:
        self._app = app
        self._worker = worker
        self._concurrency = concurrency
        self._runner = runner
        self._threads = threads
        self._finisher = finisher
        self._emit = emit
        self._unknown = unknown
        self._freed = freed
        self._waiting: list[tuple[int, int, Claim]] = []
        self._turn = 0
        self._attempts: dict[tuple[int, int], Attempt] = {}
        self._interrupted: list[tuple[int, int]] = []
        self._held: Counter[str] = Counter()
        self._hands = 0
        self._turn_ends: float | None = None
        self._closed = False
        self._context = contextvars.copy_context()
        self.finished = 0
        self.outcomes: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """Slots in use, by jobs and by threads that outlived theirs."""
        return len(self._attempts) + self._threads.stuck

    @property
    def waiting(self) -> int:
        """Jobs that were claimed ahead of a free slot."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        return not self._attempts and not self._waiting

    def held_of(self, queue: str) -> int:
        """Jobs of this queue that run or wait here."""
        return self._held[queue]

    def leases(self) -> list[tuple[int, int]]:
        """The (id, lease) of all that runs or waits here. Safe to call from another thread."""
        while True:
            with contextlib.suppress(RuntimeError):  # the event loop changed it meanwhile
                waiting = [(claim.id, claim.lease) for _, _, claim in tuple(self._waiting)]
                return [*self._attempts, *waiting]

    def held_leases(self) -> list[int]:
        """The leases of all jobs that run or wait here."""
        return [lease for _, lease in self.leases()]

    def take(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._turn += 1
            self._held[claim.queue] += 1
            heapq.heappush(self._waiting, (-claim.priority, self._turn, claim))
        self.fill()

    def fill(self) -> None:
        """Put free slots to work, as far as jobs wait for them."""
        if not self._hands:
            self._begin_turn()
        for _ in range(min(len(self._waiting), self._free())):
            self._hands += 1
            asyncio.create_task(self._work())  # noqa: RUF006 - the loop and its job keep it

    def _free(self) -> int:
        return self._concurrency - self._hands - self._threads.stuck

    def stop_job(self, job_id: int, lease: int, verdict: str, reason: str | None) -> None:
        """A job should end ("cancel"), or its lease is gone ("lost")."""
        attempt = self._attempts.get((job_id, lease))
        if attempt is None:
            self._forget(job_id, lease, verdict)
        elif attempt.stopped is None:
            default = "its lease was lost" if verdict == "lost" else "somebody cancelled it"
            self._runner.interrupt(attempt, verdict, reason or default)
        else:
            return
        if verdict == "lost" and self._emit is not None:
            self._emit(LeaseWasLost(self._worker, job_id))

    def _forget(self, job_id: int, lease: int, verdict: str) -> None:
        """The same for a job that waits here, and so has no handler to tell."""
        for entry in self._waiting:
            claim = entry[2]
            if (claim.id, claim.lease) == (job_id, lease):
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
                self._held[claim.queue] -= 1
                if verdict == "cancel":
                    self._finisher.add(Ended(job_id, lease, claim.queue, Cancelled(), False))
                return

    def close(self) -> list[tuple[int, int]]:
        """Start no more jobs. Returns the (id, lease) of those that did not start."""
        self._closed = True
        claims = [claim for _, _, claim in self._waiting]
        self._waiting.clear()
        self._held.subtract(claim.queue for claim in claims)
        return [(claim.id, claim.lease) for claim in claims]

    def interrupt(self) -> None:
        """The grace time is over: make everything stop that can be stopped."""
        for attempt in tuple(self._attempts.values()):
            if not attempt.job.completed:
                self._runner.interrupt(attempt, "shutdown", "the worker shuts down")

    def unfinished(self) -> list[tuple[int, int]]:
        """The (id, lease) of interrupted jobs, ended or not, that have no outcome to be written."""
        still = [(a.job.id, a.job.lease) for a in self._attempts.values() if not a.job.completed]
        return self._interrupted + still

    async def _work(self) -> None:
        """One hand. It ends when nothing waits; when a stuck thread has its slot; or when it was
        cancelled, so that nothing of that reaches another job.
        """
        hand = asyncio.current_task()
        assert hand is not None
        now = time.monotonic()
        try:
            while self._waiting and self._free() >= 0 and not hand.cancelling():
                if self._turn_ends is None or now > self._turn_ends:
                    await self._await_turn()
                    now = time.monotonic()
                elif attempt := self._begin(heapq.heappop(self._waiting)[2]):
                    attempt.hand = hand
                    now = await self._run(attempt)
        finally:
            self._hands -= 1
            self.fill()

    async def _await_turn(self) -> None:
        """Let all else that is ready go on first. The turn is over for every hand."""
        if self._turn_ends is not None:
            self._turn_ends = None
            asyncio.get_running_loop().call_soon(self._begin_turn)
        await asyncio.sleep(0)

    def _begin_turn(self) -> None:
        self._turn_ends = time.monotonic() + TURN

    def _begin(self, claim: Claim) -> Attempt | None:
        task = self._app.knows(claim.task)
        if task is None:
            self._held[claim.queue] -= 1
            self._unknown(claim)
            return None
        attempt = self._attempts[claim.id, claim.lease] = self._runner.prepare(claim, task)
        if self._emit is not None:
            job = attempt.job
            self._emit(
                JobStarted(
                    self._worker,
                    job.id,
                    job.task,
                    job.queue,
                    job.attempt,
                    job.max_attempts,
                    job.waited,
                    claim.args,
                )
            )
        return attempt

    async def _run(self, attempt: Attempt) -> float:
        """Run an attempt to its end; when that was."""
        job = attempt.job
        job.started = time.monotonic()
        outcome = await in_context(self._context.copy(), self._runner.run(attempt))
        ended = time.monotonic()
        del self._attempts[job.id, job.lease]
        self._held[job.queue] -= 1
        if attempt.stopped == "shutdown" and not attempt.returned and not job.completed:
            self._interrupted.append((job.id, job.lease))
        elif attempt.stopped != "lost":
            self._finisher.add(Ended(job.id, job.lease, job.queue, outcome, job.completed))
            claimed = job.completed and attempt.returned
            self._count(attempt, Succeeded() if claimed else outcome, ended - job.started)
        self._freed()
        return ended

    def _count(self, attempt: Attempt, outcome: Outcome, ran: float) -> None:
        job = attempt.job
        self.finished += 1
        self.outcomes[type(outcome).__name__] += 1
        if self._emit is not None:
            self._emit(
                JobFinished(
                    self._worker,
                    job.id,
                    job.task,
                    job.queue,
                    job.attempt,
                    job.max_attempts,
                    ran,
                    outcome,
                )
            )
