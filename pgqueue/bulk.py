"""Many jobs at once: one statement for thousands, COPY for more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec

from .database.connection import explained, run, run_async, tuple_cursor
from .database.statement import Statement
from .job import DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, NewJob

_ENQUEUE_MANY = Statement("enqueue_many")
CHUNK = 1_000
"""Jobs in one statement: more would gain nothing and make it long to wait for."""

COPY = """
COPY pgqueue.job (task, args, queue, priority, run_at, ready_xid, max_attempts, timeout, tags, meta)
FROM STDIN
"""
BEGIN = "SELECT"
"""Opens the caller's transaction, if none is; the block around COPY is then a savepoint in it."""
CLOCK = "SELECT pg_current_xact_id()::text::bigint, now()"
RING = """
SELECT pgqueue.ring(queue, soon => waits)
FROM unnest(CAST(%s AS text[]), CAST(%s AS boolean[])) AS bell(queue, waits)
"""


class Row(msgspec.Struct, omit_defaults=True):
    """A job in the form that pgqueue.enqueue_many takes."""

    task: str
    args: msgspec.Raw
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    run_at: datetime | None = None
    delay: timedelta | None = None
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    timeout: timedelta | None = None
    tags: tuple[str, ...] = ()
    meta: msgspec.Raw | None = None


def row(job: NewJob) -> Row:
    options = job.options
    return Row(
        job.task,
        msgspec.Raw(job.args.encode()),
        options.queue,
        options.priority,
        options.run_at,
        options.delay,
        options.max_attempts,
        options.timeout,
        options.tags,
        None if options.meta is None else msgspec.Raw(options.meta.encode()),
    )


def enqueue_many(connection: Any, jobs: Iterable[NewJob], max_args_bytes: int) -> list[int]:
    """The ids, in the order of the jobs."""
    ids: list[int] = []
    for parameters in _chunks(jobs, max_args_bytes):
        ids += (found for (found,) in run(connection, _ENQUEUE_MANY, parameters))
    return ids


async def enqueue_many_async(
    connection: Any, jobs: Iterable[NewJob], max_args_bytes: int
) -> list[int]:
    """The ids, in the order of the jobs."""
    ids: list[int] = []
    for parameters in _chunks(jobs, max_args_bytes):
        ids += (found for (found,) in await run_async(connection, _ENQUEUE_MANY, parameters))
    return ids


def _chunks(jobs: Iterable[NewJob], max_args_bytes: int) -> Iterator[dict[str, Any]]:
    remaining = iter(jobs)
    while chunk := [row(job) for job in islice(remaining, CHUNK)]:
        yield {"jobs": msgspec.json.encode(chunk).decode(), "max_args_bytes": max_args_bytes}


def copy_many(connection: Any, jobs: Iterable[NewJob]) -> int:
    """COPY the jobs in the caller's transaction, and wake whoever sleeps. Returns their number."""
    bells: set[tuple[str, bool]] = set()
    count = 0
    with explained(), tuple_cursor(connection) as cursor:
        if not connection.autocommit:
            cursor.execute(BEGIN)
        with connection.transaction():
            xid, now = cursor.execute(CLOCK).fetchone()
            with cursor.copy(COPY) as copy:
                for job in jobs:
                    copied = _copied(job, xid, now)
                    copy.write_row(copied)
                    bells.add(_bell(copied))
                    count += 1
            cursor.execute(RING, _columns(bells))
    return count


async def copy_many_async(connection: Any, jobs: Iterable[NewJob]) -> int:
    """COPY the jobs in the caller's transaction, and wake whoever sleeps. Returns their number."""
    bells: set[tuple[str, bool]] = set()
    count = 0
    with explained():
        async with tuple_cursor(connection) as cursor:
            if not connection.autocommit:
                await cursor.execute(BEGIN)
            async with connection.transaction():
                await cursor.execute(CLOCK)
                xid, now = await cursor.fetchone()
                async with cursor.copy(COPY) as copy:
                    for job in jobs:
                        copied = _copied(job, xid, now)
                        await copy.write_row(copied)
                        bells.add(_bell(copied))
                        count += 1
                await cursor.execute(RING, _columns(bells))
    return count


def _copied(job: NewJob, xid: int, now: datetime) -> Sequence[Any]:
    """A job that is due carries the id of its transaction, its place in line; a later one carries
    none.
    """
    options = job.options
    run_at = options.run_at or (now + options.delay if options.delay is not None else now)
    return (
        job.task,
        job.args,
        options.queue,
        options.priority,
        run_at,
        xid if run_at <= now else None,
        options.max_attempts,
        options.timeout,
        list(options.tags) or None,
        options.meta,
    )


def _bell(copied: Sequence[Any]) -> tuple[str, bool]:
    """Who is to be woken for it: the queue, and whether the job waits for its time."""
    return copied[2], copied[5] is None


def _columns(bells: Iterable[tuple[str, bool]]) -> tuple[list[str], list[bool]]:
    ordered = sorted(bells)
    return [queue for queue, _ in ordered], [waits for _, waits in ordered]
