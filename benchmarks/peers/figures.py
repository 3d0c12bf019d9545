"""What is measured, in the order of the table, and every value of every round."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

TITLES = {
    "enqueue_1": "enqueue, one a commit, 1 connection, jobs/s",
    "enqueue_4": "enqueue, one a commit, 4 connections, jobs/s",
    "bulk": "enqueue in bulk, jobs/s",
    "drain_default": "drain, 1 worker, default settings, jobs/s",
    "drain_tuned": "drain, 1 worker, tuned, jobs/s",
    "drain_tuned_2": "drain, 2 workers, tuned, jobs/s",
    "wal": "WAL of a drain, tuned, bytes/job",
    "latency_p50": "commit to start, a job each 20 to 60 ms, median, ms",
    "latency_p99": "commit to start, a job each 20 to 60 ms, p99, ms",
    "latency_calm": "commit to start, a job each half second, median, ms",
    "pinned": "old snapshot held: last 10 s ÷ first 10 s",
}


@dataclass
class Figures:
    """Values by figure and peer, in the order of the rounds."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, figure: str, peer: str, value: float) -> None:
        self.values.setdefault(figure, {}).setdefault(peer, []).append(value)

    def of(self, figure: str, peer: str) -> list[float]:
        return self.values.get(figure, {}).get(peer, [])

    def median(self, figure: str, peer: str) -> float:
        return statistics.median(self.of(figure, peer))
