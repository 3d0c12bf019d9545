"""What a worker shows of itself to probes and to Prometheus, if its settings say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import metrics
from ..errors import UsageError
from ..metrics.tally import Tally
from ..settings import WorkerSettings
from .health import Exposition, HealthServer
from .vitals import Vitals


@contextmanager
def exposed(dsn: str, settings: WorkerSettings, vitals: Vitals, tally: Tally) -> Iterator[None]:
    """Serve for the length of the block. Raises UsageError where it cannot listen."""
    if settings.health_port is None:
        yield
        return
    with HealthServer(
        settings.health_host,
        settings.health_port,
        live=vitals.live,
        ready=vitals.ready,
        exposition=_exposition(dsn, vitals, tally),
    ):
        yield


def _exposition(dsn: str, vitals: Vitals, tally: Tally) -> Exposition | None:
    try:
        registry = metrics.worker_registry(dsn, tally, vitals.slots)
    except UsageError:  # prometheus-client is not installed; whoever asks for metrics is told
        return None
    return lambda: metrics.exposition(registry)
