"""What Prometheus collects: the figures of one worker process, and those of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from .catalogue import OF_THE_BUILD, OF_THE_DATABASE, OF_THE_WORKER, Metric
from .reader import Labels, Reader
from .tally import BOUNDS, Histogram, Tally

_ENDS = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
LOST = "worker_lost"
"""Why jobs are rescued."""


class WorkerCollector(Collector):
    """Of one process: what it counted, and its slots."""

    def __init__(self, tally: Tally, slots: Callable[[], Mapping[str, int]]) -> None:
        self._tally = tally
        self._slots = slots

    def collect(self) -> Iterator[Family]:
        metrics, cells = OF_THE_WORKER, self._tally.cells()
        ended: dict[Labels, float] = {
            (*pair, outcome.lower()): count
            for pair, cell in cells
            for outcome, count in tuple(cell.outcomes.items())
        }
        yield _counter(metrics["jobs_finished"], ended)
        yield _histogram(metrics["job_wait_seconds"], [(pair, cell.wait) for pair, cell in cells])
        yield _histogram(metrics["job_run_seconds"], [(pair, cell.run) for pair, cell in cells])
        yield _gauge(metrics["slots"], {(state,): count for state, count in self._slots().items()})
        yield _counter(metrics["jobs_rescued"], {(LOST,): self._tally.rescued})
        yield _histogram(metrics["claim_seconds"], [((), self._tally.claims)])

    def describe(self) -> Iterable[Family]:
        return ()


class BuildCollector(Collector):
    """Which release this is."""

    def collect(self) -> Iterator[Family]:
        yield _gauge(OF_THE_BUILD, {(version("pgqueue"),): 1})


class DatabaseCollector(Collector):
    """Of the whole database: every process says the same, so take the greatest, not the sum."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def collect(self) -> Iterator[Family]:
        readings = self._reader.read()
        for name, metric in OF_THE_DATABASE.items():
            if values := readings.get(name):
                yield _gauge(metric, values)

    def describe(self) -> Iterable[Family]:
        """Nothing: a registry would otherwise ask the database when it is made."""
        return ()


def _gauge(metric: Metric, values: Mapping[Labels, float]) -> Family:
    family = GaugeMetricFamily(metric.full_name, metric.text, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _counter(metric: Metric, values: Mapping[Labels, float]) -> Family:
    family = CounterMetricFamily(metric.full_name, metric.text, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram(metric: Metric, found: Iterable[tuple[Labels, Histogram]]) -> Family:
    family = HistogramMetricFamily(metric.full_name, metric.text, labels=metric.labels)
    for labels, histogram in found:
        counts, total, seen = tuple(histogram.counts), histogram.total, 0
        buckets = [(end, seen := seen + count) for end, count in zip(_ENDS, counts, strict=True)]
        family.add_metric(labels, buckets, total)
    return family
