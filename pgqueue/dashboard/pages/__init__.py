"""The pages of the dashboard, a module for each."""

from __future__ import annotations

from starlette.routing import BaseRoute

from . import (
    acting,
    assets,
    audit,
    changes,
    database,
    enqueuing,
    errors,
    job,
    jobs,
    metrics,
    operations,
    overview,
    queues,
    schedules,
    tasks,
    workers,
)


def routes() -> list[BaseRoute]:
    """Every path that there is."""
    return [
        *assets.routes(),
        *changes.routes(),
        *metrics.routes(),
        *overview.routes(),
        *jobs.routes(),
        *acting.routes(),
        *job.routes(),
        *operations.routes(),
        *enqueuing.routes(),
        *errors.routes(),
        *queues.routes(),
        *tasks.routes(),
        *schedules.routes(),
        *workers.routes(),
        *database.routes(),
        *audit.routes(),
    ]
