"""What can be seen from outside while the demo runs: everything comes from the views."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

SNAPSHOT = """
SELECT count(*) FILTER (WHERE state IN ('succeeded', 'dead', 'cancelled')) AS finished,
       count(*) FILTER (WHERE state IN ('queued', 'scheduled', 'retrying', 'running')) AS depth,
       count(*) FILTER (WHERE state = 'running' AND worker_id = %(victim)s) AS held,
       (SELECT count(*) FROM pgqueue.failures) AS failures,
       (SELECT count(*) FROM pgqueue.workers WHERE state = 'running') AS workers
FROM pgqueue.jobs
"""
RUNNING = """
SELECT w.name, w.id, count(j.id)
FROM pgqueue.workers w
LEFT JOIN pgqueue.jobs j ON j.worker_id = w.id AND j.state = 'running'
GROUP BY w.name, w.id ORDER BY 3 DESC, 1
"""
RESCUED = """
SELECT count(*), max(failed_at) FROM pgqueue.failures
WHERE error_type = 'WorkerLost' AND worker_id = %(victim)s
"""
RATE_OVER = 2.0
"""Seconds over which the throughput is measured."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look. `depth` counts all jobs that are not finished, `held` the victim's."""

    finished: int
    depth: int
    held: int
    failures: int
    workers: int
    per_second: float

    def is_done_with(self, total: int) -> bool:
        """Whether so many jobs are finished, and nothing else is left to do."""
        return self.depth == 0 and self.finished >= total


@dataclass(frozen=True, slots=True)
class Running:
    """A worker, and how many jobs it holds."""

    name: str
    worker_id: int
    jobs: int


class Observer:
    """Looks at the database through a connection in autocommit."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def look(self, victim: int | None) -> Snapshot:
        """The numbers now. `victim` is the id of the worker that was killed."""
        row = self._fetch(SNAPSHOT, {"victim": victim})[0]
        return Snapshot(*(*row, self._rate(row[0])))

    def running(self) -> list[Running]:
        """The workers that are registered, the busiest first."""
        return [Running(*row) for row in self._fetch(RUNNING)]

    def rescued(self, victim: int) -> tuple[int, datetime | None]:
        """How many jobs were taken from the worker that was killed, and when the last one was."""
        count, last = self._fetch(RESCUED, {"victim": victim})[0]
        return count, last

    def now(self) -> datetime:
        """The time by the clock of the database, which also stamps the failures."""
        now: datetime = self._fetch("SELECT clock_timestamp()")[0][0]
        return now

    def _rate(self, finished: int) -> float:
        now = time.monotonic()
        self._recent.append((now, finished))
        while len(self._recent) > 2 and now - self._recent[1][0] > RATE_OVER:
            self._recent.popleft()
        then, before = self._recent[0]
        return (finished - before) / max(now - then, 0.001)

    def _fetch(self, query: str, parameters: Any = None) -> Sequence[tuple[Any, ...]]:
        return self._connection.execute(query.encode(), parameters).fetchall()
