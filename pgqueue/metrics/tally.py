"""Counts what happens in a worker, at the cost of a few additions for each job.

A scraper reads while the event loop writes; a figure may be an event ahead of another one.
"""

from __future__ import annotations

from bisect import bisect_left

from ..events import Event, JobFinished, JobRescued, JobStarted

BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
"""Upper ends of the buckets of every histogram, in seconds; what is longer goes into a last one."""
MOST_PAIRS = 200
"""Pairs of queue and task that have figures of their own."""
OTHER = ("other", "other")
"""Where the others are counted."""


class Histogram:
    """How often a duration lay in each bucket, and the sum of all."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Cell:
    """The figures of one task in one queue."""

    __slots__ = ("outcomes", "run", "wait")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.run = Histogram()
        self.wait = Histogram()


class Tally:
    """An observer that counts."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], Cell] = {}
        self.claims = Histogram()
        self.rescued = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, JobFinished):
            cell = self._cells.get((event.queue, event.task)) or self._cell(event)
            cell.run.observe(event.ran)
            name = type(event.outcome).__name__
            cell.outcomes[name] = cell.outcomes.get(name, 0) + 1
        elif isinstance(event, JobStarted):
            cell = self._cells.get((event.queue, event.task)) or self._cell(event)
            cell.wait.observe(max(0.0, event.waited))
        elif isinstance(event, JobRescued):
            self.rescued += 1

    def cells(self) -> tuple[tuple[tuple[str, str], Cell], ...]:
        """The figures by queue and task. Safe to call from another thread."""
        return tuple(self._cells.items())

    def _cell(self, event: JobFinished | JobStarted) -> Cell:
        """A new one, unless there are enough. Names come from data, and their number must not
        decide how much a monitoring system has to store.
        """
        pair = (event.queue, event.task) if len(self._cells) < MOST_PAIRS else OTHER
        return self._cells.setdefault(pair, Cell())
