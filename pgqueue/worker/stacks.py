"""What a worker process is doing right now: the stack of each running job, and of every thread.

Nothing is recorded while jobs run: who asks finds them in the frames of the threads and tasks. A
stack has names of functions, lines and their source, and no values: nothing of a job's arguments.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from ..running import RunningJob, current
from ..wording import text_of_seconds
from .contexts import in_context
from .runner import Attempt
from .threads import Call

MOST_BYTES = 256 * 1024
MOST_FRAMES = 60
"""Innermost frames of one stack; a recursion has more than anybody reads."""
CUT = "\n… cut here: there is more than fits.\n"
_OURS = str(Path(__file__).parent)

Frames = list[tuple[FrameType, int]]


class Stacks:
    """Made on the event loop of the worker; asked from any thread."""

    def __init__(self, attempts: Callable[[], list[Attempt]]) -> None:
        self._attempts = attempts
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def text(self) -> str:
        """Running jobs first, the longest first; then the threads that run none."""
        threads = {ident: _of_thread(frame) for ident, frame in sys._current_frames().items()}
        of_jobs = {
            (job.id, job.lease): ident for ident in threads if (job := _job_of(threads[ident]))
        }
        begun = sorted(self._attempts(), key=lambda attempt: attempt.job.started)
        parts = [self._job(attempt, threads, of_jobs) for attempt in begun]
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        parts += [
            f"thread {names.get(ident, ident)}\n{_lines(frames)}"
            for ident, frames in threads.items()
            if ident not in of_jobs.values() and ident != threading.get_ident()
        ]
        return _cut("\n".join(parts) or "No job runs.\n")

    def _job(
        self, attempt: Attempt, threads: dict[int, Frames], of_jobs: dict[tuple[int, int], int]
    ) -> str:
        job = attempt.job
        ran = text_of_seconds(time.monotonic() - job.started)
        where = {"loop": "on the event loop", "process": "in a child process"}.get(
            attempt.task.definition.run_in, "in a thread"
        )
        head = f"job {job.id} {job.task}, attempt {job.attempt}/{job.max_attempts}, {ran}, {where}"
        if (job.id, job.lease) in of_jobs:
            frames = threads[of_jobs[job.id, job.lease]]
        elif attempt.hand is not None and asyncio.current_task(self._loop) is attempt.hand:
            head += ", which it blocks now"
            frames = threads.get(self._thread, [])
        elif attempt.hand is not None:
            frames = list(_awaits(attempt.hand.get_coro()))
        else:
            frames = []
        theirs = [found for found in frames if not found[0].f_code.co_filename.startswith(_OURS)]
        return f"{head}\n{_lines(theirs or frames)}"


def _of_thread(frame: FrameType | None) -> Frames:
    """The frames of a thread, the outermost first."""
    return [(found, line) for found, line in traceback.walk_stack(frame)][::-1]


def _awaits(awaited: Any) -> Iterator[tuple[FrameType, int]]:
    """The frames of a task that waits, from its coroutine to what that awaits in the end."""
    while awaited is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(awaited, f"{kind}_frame")), "")
        frame = getattr(awaited, f"{kind}_frame", None)
        if frame is None:
            return
        yield frame, frame.f_lineno
        if frame.f_code is in_context.__code__:
            awaited = frame.f_locals.get("coroutine")
        else:
            awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)


def _job_of(frames: Frames) -> RunningJob | None:
    """The job that a thread runs, if it runs one."""
    for frame, _ in frames:
        call = frame.f_locals.get("self") if frame.f_code is Call.make.__code__ else None
        if isinstance(call, Call):
            return call.context.get(current)
    return None


def _lines(frames: Frames) -> str:
    if not frames:
        return "  (between two steps)\n"
    kept = frames[-MOST_FRAMES:]
    more = f"  … {len(frames) - len(kept)} frames further out\n" if len(frames) > len(kept) else ""
    return more + "".join(traceback.StackSummary.extract(iter(kept)).format())


def _cut(text: str) -> str:
    data = text.encode("utf-8", "replace").replace(b"\0", b"")
    if len(data) > MOST_BYTES:
        data = data[: MOST_BYTES - len(CUT.encode())]
        return data.decode("utf-8", "ignore") + CUT
    return data.decode()
