"""Producers that enqueue more than workers can run are told so: `max_backlog`, a signal and no
bound, asked for before the job is enqueued.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .database.connection import run, run_async
from .database.statement import Statement
from .errors import BacklogFull
from .job import JobOptions

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection

_BACKLOG = Statement("backlog_below")


def refuse(connection: SyncConnection, jobs: Iterable[JobOptions]) -> None:
    """Raise BacklogFull when a queue of these jobs holds as many as one of them allows. Asks
    nothing for jobs without `max_backlog`.
    """
    for queue, most in _limits(jobs):
        _judge(queue, most, run(connection, _BACKLOG, {"queue": queue, "most": most}))


async def refuse_async(connection: AsyncConnection, jobs: Iterable[JobOptions]) -> None:
    """The same on an async connection."""
    for queue, most in _limits(jobs):
        _judge(queue, most, await run_async(connection, _BACKLOG, {"queue": queue, "most": most}))


def _limits(jobs: Iterable[JobOptions]) -> list[tuple[str, int]]:
    """The smallest backlog that is allowed, for each queue that has any."""
    limits: dict[str, int] = {}
    for options in jobs:
        if options.max_backlog is not None:
            least = limits.get(options.queue, options.max_backlog)
            limits[options.queue] = min(least, options.max_backlog)
    return sorted(limits.items())


def _judge(queue: str, most: int, rows: list[tuple[Any, ...]]) -> None:
    if not rows[0][0]:
        raise BacklogFull(
            f'queue "{queue}" has a backlog of {most} jobs or more: '
            "enqueue later, or have more workers serve it. Nothing was enqueued."
        )
