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
from ..redaction import redacted_text
from .claimer import Claim
from .contexts import in_context
from .finisher import Finisher
from .runner import Attempt, Runner
from .threads import Threads
from .writer import Ended

TURN = 0.001
"""Seconds for which jobs that wait for nothing follow each other, before all else gets its turn."""
WHY = {"cancel": "somebody cancelled it", "lost": "its lease was lost"}
"""Why a job should end, where nobody gave a reason."""


class Slots:
    """Runs claimed jobs as slots get free, higher priorities first.

    Each slot in use has a hand: a task that runs one job after the other while any wait here. A
    task for each job would take longer than many a job. While a hand runs a job, another looks for
    the next one; if the job never waited for anything, the first is back before the other began.
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
        count: Callable[[str, str, type[Outcome], float, float], None],
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
        self._counted = count
        self._waiting: list[tuple[int, int, int, Claim]] = []
        self._turn = 0
        self._attempts: dict[tuple[int, int], Attempt] = {}
        self._interrupted: list[tuple[int, int]] = []
        self._hands = 0
        self._looking = 0
        self._turn_ends = 0.0
        self._context = contextvars.copy_context()
        self.finished = 0
        self.unsuccessful: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """Slots in use, by jobs and by threads that outlived theirs."""
        return len(self._attempts) + self._threads.stuck

    @property
    def waiting(self) -> int:
        """Jobs that were claimed ahead of a free slot."""
        return len(self._waiting)

    @property
    def stuck(self) -> bool:
        """Whether threads that outlived their jobs have every slot."""
        return self._threads.stuck >= self._concurrency

    @property
    def idle(self) -> bool:
        return not self._attempts and not self._waiting

    def held_of(self, queue: str) -> int:
        """Jobs of this queue that run or wait here."""
        running = sum(attempt.job.queue == queue for attempt in self._attempts.values())
        return running + sum(claim.queue == queue for *_, claim in self._waiting)

    def leases(self) -> list[tuple[int, int]]:
        """The (id, lease) of all that runs or waits here. Safe to call from another thread."""
        while True:
            with contextlib.suppress(RuntimeError):  # the event loop changed it meanwhile
                waiting = [(claim.id, claim.lease) for *_, claim in tuple(self._waiting)]
                return [*self._attempts, *waiting]

    def attempts(self) -> list[Attempt]:
        """What runs now. Safe to call from another thread."""
        while True:
            with contextlib.suppress(RuntimeError):  # the event loop changed it meanwhile
                return list(self._attempts.values())

    def held_leases(self) -> list[int]:
        """The leases of all jobs that run or wait here."""
        return [lease for _, lease in self.leases()]

    def take(self, claims: Iterable[Claim], place: int = 0) -> None:
        """Run these jobs: those in the lowest place first, then by priority."""
        for claim in claims:
            self._turn += 1
            heapq.heappush(self._waiting, (place, -claim.priority, self._turn, claim))
        self.fill()

    def fill(self) -> None:
        """Have a hand look for the next job that waits, unless one is about to."""
        if self._waiting and not self._looking and self._free() > 0:
            self._looking += 1
            self._hands += 1
            asyncio.create_task(self._work())  # noqa: RUF006 - the loop and its job keep it

    def _free(self) -> int:
        return self._concurrency - self._hands - self._threads.stuck

    def stop_job(self, job_id: int, lease: int, verdict: str, reason: str | None) -> None:
        """A job should end ("cancel"), or its lease is gone ("lost"). The lease of a job that has
        completed itself went with it, and its handler goes on.
        """
        attempt = self._attempts.get((job_id, lease))
        if attempt is None:
            if not self._forget(job_id, lease, verdict):
                return  # it ended while the heart asked
        elif attempt.stopped is None and not attempt.job.completed:
            self._runner.interrupt(attempt, verdict, reason or WHY[verdict])
        else:
            return
        if verdict == "lost" and self._emit is not None:
            self._emit(LeaseWasLost(self._worker, job_id))

    def warn_job(self, job_id: int, lease: int, verdict: str, reason: str | None) -> None:
        """The same as far as it can be done from another thread; `stop_job` has to follow."""
        attempt = self._attempts.get((job_id, lease))
        if attempt is not None and attempt.stopped is None and not attempt.job.completed:
            self._runner.warn(attempt, reason or WHY[verdict])

    def _forget(self, job_id: int, lease: int, verdict: str) -> bool:
        """The same for a job that waits here, and so has no handler to tell. Whether one does."""
        for entry in self._waiting:
            claim = entry[-1]
            if (claim.id, claim.lease) == (job_id, lease):
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
                if verdict == "cancel":
                    self._finisher.add(Ended(job_id, lease, claim.queue, Cancelled(), False))
                return True
        return False

    def give_back(self) -> list[tuple[int, int]]:
        """Forget the jobs that wait here. Returns their (id, lease)."""
        claims = [claim for *_, claim in self._waiting]
        self._waiting.clear()
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
        self._begin_turn()
        try:
            while self._waiting and self._free() >= 0 and not hand.cancelling():
                if time.monotonic() > self._turn_ends:
                    if self._looking > 1:
                        break  # the other one goes on when all else has had its turn
                    await asyncio.sleep(0)
                    self._begin_turn()
                elif attempt := self._begin(heapq.heappop(self._waiting)[-1]):
                    attempt.hand = hand
                    self._looking -= 1
                    self.fill()
                    try:
                        await self._run(attempt)
                    finally:
                        self._looking += 1
        finally:
            self._looking -= 1
            self._hands -= 1
            self.fill()

    def _begin_turn(self) -> None:
        self._turn_ends = time.monotonic() + TURN

    def _begin(self, claim: Claim) -> Attempt | None:
        task = self._app.knows(claim.task)
        if task is None:
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
                    redacted_text(claim.args, task.definition.redact),
                )
            )
        return attempt

    async def _run(self, attempt: Attempt) -> None:
        job = attempt.job
        job.started = time.monotonic()
        outcome = await in_context(self._context.copy(), self._runner.run(attempt))
        ran = time.monotonic() - job.started
        del self._attempts[job.id, job.lease]
        if attempt.stopped == "shutdown" and not attempt.returned and not job.completed:
            self._interrupted.append((job.id, job.lease))
        elif attempt.stopped != "lost":
            self._finisher.add(Ended(job.id, job.lease, job.queue, outcome, job.completed))
            claimed = job.completed and attempt.returned
            self._count(attempt, Succeeded() if claimed else outcome, ran)
        self._freed()

    def _count(self, attempt: Attempt, outcome: Outcome, ran: float) -> None:
        job = attempt.job
        kind = type(outcome)
        self.finished += 1
        if kind is not Succeeded:
            self.unsuccessful[kind.__name__] += 1
        self._counted(job.queue, job.task, kind, job.waited, ran)
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
                    job.trace_id,
                )
            )
