"""Metrics for Prometheus: what a worker counted, and what the database says of the queues.

The functions need the package prometheus-client, and import it when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from .tally import Tally

__all__ = ["database_registry", "exposition", "worker_registry"]

_INSTALL = "metrics need the package prometheus-client. Say: pip install 'pgqueue[prometheus]'"


def exposition(registry: CollectorRegistry) -> tuple[bytes, str]:
    """All metrics of a registry in the text format of Prometheus, and its content type."""
    try:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
    except ImportError:
        raise UsageError(_INSTALL) from None
    return generate_latest(registry), CONTENT_TYPE_LATEST


def database_registry(dsn: str) -> CollectorRegistry:
    """What the database says of all queues and schedules, for a `/metrics` of your own. It is asked
    when the registry is collected, at most once in 15 seconds, on a connection opened for that.

    Raises UsageError without prometheus-client.
    """
    try:
        from prometheus_client import CollectorRegistry

        from .collectors import BuildCollector, DatabaseCollector
    except ImportError:
        raise UsageError(_INSTALL) from None
    from .reader import Reader

    registry = CollectorRegistry()
    registry.register(BuildCollector())
    registry.register(DatabaseCollector(Reader(dsn)))
    return registry


def worker_registry(
    dsn: str, tally: Tally, slots: Callable[[], Mapping[str, int]]
) -> CollectorRegistry:
    """The same, and what one worker process counted."""
    registry = database_registry(dsn)
    from .collectors import WorkerCollector

    registry.register(WorkerCollector(tally, slots))
    return registry
