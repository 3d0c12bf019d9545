"""Child processes for tasks with run_in="process": a child that dies costs only the job that it
ran.

Parent and child speak lines of JSON over a socket. What the child imports is named by the
registered task, never by the job.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..errors import UsageError, WorkerLost
from ..instruments import Instrument, carried
from ..outcome import Cancelled, Dead, Outcome, Retrying, Snoozed, Succeeded
from ..running import RunningJob
from ..task import Task
from .endings import ending

OUTCOMES: dict[str, type[Outcome]] = {
    kind.__name__: kind for kind in (Succeeded, Retrying, Dead, Cancelled, Snoozed)
}


class Assignment(msgspec.Struct):
    """What a child is told: the task to import, and the job to run."""

    path: list[str]
    module: str
    qualname: str
    args: str
    id: int
    lease: int
    task: str
    queue: str
    attempt: int
    max_attempts: int
    priority: int
    due: float
    waited: float
    tags: list[str]
    max_result_bytes: int
    meta: str | None = None
    progress: str | None = None
    timeout: timedelta | None = None
    deadline: datetime | None = None
    carrier: dict[str, str] | None = None
    trace_id: str | None = None


class Answer(msgspec.Struct):
    """What a child says: progress and completion on the way, an outcome at the end."""

    progress: str | None = None
    outcome: str | None = None
    value: dict[str, Any] | None = None
    completed: bool = False


class Child:
    """One child process, running one job at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pgqueue.worker.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._socket = ours
        self._stream = ours.makefile("rwb")

    def ask(self, assignment: Assignment, note: Callable[[Answer], None]) -> Answer:
        """Run a job and wait for its end; `note` is told of what comes before that. Raises
        WorkerLost when the child dies.
        """
        try:
            self._stream.write(msgspec.json.encode(assignment) + b"\n")
            self._stream.flush()
            while line := self._stream.readline():
                answer = msgspec.json.decode(line, type=Answer)
                if answer.outcome is not None:
                    return answer
                note(answer)
        except (OSError, ValueError):
            pass
        raise WorkerLost(f"the child process died: {self._how()}")

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._stream.close()
        self._socket.close()

    def _how(self) -> str:
        return ending(self._process.wait())


class Children:
    """At most so many children, started when they are needed and replaced when they die."""

    def __init__(
        self, most: int, max_result_bytes: int, instruments: tuple[Instrument, ...]
    ) -> None:
        self.most = most
        self._instruments = instruments
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: dict[tuple[int, int], Child] = {}
        self._doomed: set[tuple[int, int]] = set()
        self._max_result_bytes = max_result_bytes
        self._closed = False

    def run(self, job: RunningJob, task: Task[..., Any], args: str) -> Outcome:
        """Run the job in a child. Blocks; call it in a thread."""
        assignment = self._assignment(job, task, args)
        claim = job.id, job.lease
        with self._free:
            child = self._take(claim)
            try:
                answer = child.ask(assignment, lambda answer: _note(job, answer))
            except BaseException:
                self._leave(claim)
                child.close()
                raise
            if not self._leave(claim, child):
                child.close()
        job.completed = answer.completed
        return msgspec.convert(answer.value, OUTCOMES[answer.outcome or ""], strict=False)

    def kill(self, job: RunningJob) -> None:
        """Kill the child that runs this attempt, or is about to."""
        claim = job.id, job.lease
        with self._lock:
            self._doomed.add(claim)
            if claim in self._busy:
                self._busy[claim].kill()

    def kill_running(self, job: RunningJob) -> None:
        """Kill the child that runs this attempt, if one does."""
        with self._lock:
            claim = job.id, job.lease
            if claim in self._busy:
                self._doomed.add(claim)
                self._busy[claim].kill()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy.values())
        for child in busy:
            child.kill()
        for child in idle:
            child.close()

    def _leave(self, claim: tuple[int, int], child: Child | None = None) -> bool:
        """The attempt is over, and its child free for the next, unless somebody has just killed it.
        Returns whether it is.
        """
        with self._lock:
            self._busy.pop(claim)
            doomed = claim in self._doomed
            self._doomed.discard(claim)
            if child is not None and not doomed:
                self._idle.append(child)
            return not doomed

    def _take(self, claim: tuple[int, int]) -> Child:
        with self._lock:
            if self._closed or claim in self._doomed:
                self._doomed.discard(claim)
                raise WorkerLost("the attempt was stopped before it began")
            child = self._idle.pop() if self._idle else Child()
            self._busy[claim] = child
            return child

    def _assignment(self, job: RunningJob, task: Task[..., Any], args: str) -> Assignment:
        if task.__module__ == "__main__":
            raise UsageError(
                f'{task.name}: run_in="process" needs the task in a module that the child can '
                "import; this one stands in the script itself. Move it to a module of its own."
            )
        return Assignment(
            path=sys.path,
            module=task.__module__,
            qualname=task.__qualname__,
            args=args,
            id=job.id,
            lease=job.lease,
            task=job.task,
            queue=job.queue,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            priority=job.priority,
            due=job.due,
            waited=job.waited,
            tags=list(job.tags),
            max_result_bytes=self._max_result_bytes,
            meta=job.meta_text,
            progress=job.progress_text,
            timeout=job.timeout,
            deadline=job.deadline,
            carrier=carried(self._instruments) or None,
            trace_id=job.trace_id,
        )


def _note(job: RunningJob, answer: Answer) -> None:
    """Let the worker see what the child has said: the heartbeat after a completion finds no lease,
    and must not take that for a loss.
    """
    if answer.completed:
        job.completed = True
    if answer.progress is not None:
        report = msgspec.json.decode(answer.progress)
        job.progress(report["done"], report.get("total"), checkpoint=report.get("checkpoint"))
