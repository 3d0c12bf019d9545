"""Counts how attempts end, in memory, and adds it up in the database once a second.

Counting costs each job a fraction of a microsecond and no statement. What is not written yet when
the process is killed, a second at most, is missing from the statistics and from nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections import Counter
from typing import Any, NoReturn

import msgspec
import psycopg

from ..database.link import Link
from ..database.statement import Statement
from ..events import Observer, Trouble
from ..outcome import Cancelled, Dead, Outcome, Retrying, Snoozed, Succeeded, describe

_COUNT = Statement("count_attempts")

BOUNDS = [0.001 * 2**n for n in range(24)]
"""The same as pgqueue.histogram_bounds()."""
FAILED: dict[type[Outcome], str] = {
    Retrying: "retried",
    Dead: "dead",
    Cancelled: "cancelled",
    Snoozed: "snoozed",
}
"""The columns for what is not Succeeded."""
RESCUED = {"queued": "retried", "dead": "dead", "cancelled": "cancelled"}
"""The columns for what became of a job that was taken back."""
CHUNK = 512
"""Times that wait until they are put in buckets."""
EVERY = 1.0
"""Seconds between writes, while anything ends."""
LONGEST_PAUSE = 30.0
"""The same when writes fail."""
DEADLINE = 5.0
LAST_DEADLINE = 2.0
MOST = 10_000
"""Pairs of queue and task that are counted between two writes. Names may be made up endlessly; what
is beyond that is not counted.
"""


class Tally:
    """What was counted for one queue and task. Times are put in buckets many at once: sorting a few
    hundred of them takes half as long as looking for the bucket of each.
    """

    __slots__ = (
        "failed",
        "ran",
        "rescued",
        "run_seconds",
        "runs",
        "wait_seconds",
        "waited",
        "waits",
    )

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.ran: list[float] = []
        self.failed: Counter[str] = Counter()
        self.rescued: Counter[str] = Counter()
        self.waits = [0] * (len(BOUNDS) + 1)
        self.runs = [0] * (len(BOUNDS) + 1)
        self.wait_seconds = 0.0
        self.run_seconds = 0.0

    def fold(self) -> None:
        """Put the times in their buckets."""
        self.wait_seconds += sum(self.waited)
        self.run_seconds += sum(self.ran)
        _sort_into(self.waits, self.waited)
        _sort_into(self.runs, self.ran)

    def add(self, other: Tally) -> None:
        """Take over what another one counted."""
        other.fold()
        self.failed += other.failed
        self.rescued += other.rescued
        self.waits = [mine + theirs for mine, theirs in zip(self.waits, other.waits, strict=True)]
        self.runs = [mine + theirs for mine, theirs in zip(self.runs, other.runs, strict=True)]
        self.wait_seconds += other.wait_seconds
        self.run_seconds += other.run_seconds

    def columns(self) -> dict[str, Any]:
        """What pgqueue.statistic has of it. A rescued job has no times: nobody saw its end."""
        self.fold()
        failed = {name: self.failed[name] + self.rescued[name] for name in FAILED.values()}
        return failed | {
            "succeeded": sum(self.runs) - self.failed.total(),
            "wait_seconds": self.wait_seconds,
            "run_seconds": self.run_seconds,
            "waits": self.waits,
            "runs": self.runs,
        }


class Recorder:
    """What one worker process has counted and not yet written."""

    def __init__(self, link: Link, worker: str, *, emit: Observer) -> None:
        self._link = link
        self._worker = worker
        self._emit = emit
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._writing: asyncio.Task[bool] | None = None

    def count(
        self, queue: str, task: str, outcome: type[Outcome], waited: float, ran: float
    ) -> None:
        """An attempt ended. This is on the path of every job, so it is as short as can be."""
        try:
            tally = self._tallies[queue, task]
        except KeyError:
            tally = self._begin(queue, task)
        if outcome is not Succeeded:
            tally.failed[FAILED[outcome]] += 1
        tally.waited.append(waited)
        tally.ran.append(ran)
        if len(tally.ran) >= CHUNK:
            tally.fold()

    def rescued(self, queue: str, task: str, state: str) -> None:
        """A job was taken back from a worker that is gone."""
        if state in RESCUED:
            self._begin(queue, task).rescued[RESCUED[state]] += 1

    async def run(self) -> NoReturn:
        """Write for ever; while nothing ends nothing is written. A write that has begun is not cut
        off when this is cancelled, as nobody would know whether it was made.
        """
        pause = EVERY
        while True:
            await asyncio.sleep(pause)
            self._writing = asyncio.create_task(self.write())
            written = await asyncio.shield(self._writing)
            pause = EVERY if written else min(pause * 2, LONGEST_PAUSE)

    async def write(self) -> bool:
        """Write what was counted. What cannot be written is kept for the next time: then this
        returns False.
        """
        if not self._tallies:
            return True
        tallies, self._tallies = self._tallies, {}
        try:
            await self._link.fetch(_COUNT.text, {"counts": _document(tallies)}, deadline=DEADLINE)
        except (psycopg.Error, TimeoutError) as error:
            self._take_back(tallies)
            self._emit(Trouble(self._worker, "statistics", describe(error).message))
            return False
        return True

    async def finish(self) -> None:
        """Write the last, after `run` was cancelled. Nobody waits long for statistics."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_DEADLINE):
                if self._writing is not None:
                    await self._writing
                if not await self.write():
                    await self.write()  # a connection that was lost shows it only when it is used

    def _take_back(self, tallies: dict[tuple[str, str], Tally]) -> None:
        for (queue, task), tally in tallies.items():
            self._begin(queue, task).add(tally)

    def _begin(self, queue: str, task: str) -> Tally:
        if len(self._tallies) >= MOST:
            return self._tallies.get((queue, task)) or Tally()
        return self._tallies.setdefault((queue, task), Tally())


def _document(tallies: dict[tuple[str, str], Tally]) -> str:
    rows = [
        {"queue": queue, "task": task} | tally.columns() for (queue, task), tally in tallies.items()
    ]
    return msgspec.json.encode(rows).decode()


def _sort_into(histogram: list[int], times: list[float]) -> None:
    """Count times by bucket, and forget them."""
    times.sort()
    begin = 0
    for number, bound in enumerate(BOUNDS):
        end = bisect_right(times, bound, begin)
        histogram[number] += end - begin
        begin = end
    histogram[-1] += len(times) - begin
    times.clear()
