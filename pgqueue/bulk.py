"""Many jobs at once: one statement for thousands, COPY for more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from psycopg.adapt import PyFormat, Transformer

from .backpressure import refuse, refuse_async
from .database.connection import explained, run, run_async, tuple_cursor
from .database.statement import Statement
from .errors import InvalidOption
from .instruments import joined_meta
from .job import DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, JobOptions, NewJob

_ENQUEUE_MANY, _ENQUEUE_MANY_WITH = Statement("enqueue_many"), Statement("enqueue_many_with")
CHUNK = 1_000
"""Jobs in one statement: more would gain nothing and make it long to wait for."""

COPY = """
COPY pgqueue.job (task, args, queue, priority, run_at, ready_xid, max_attempts, timeout, tags, meta)
FROM STDIN
"""
BEGIN = "SELECT"
"""Opens the caller's transaction, if none is; the block around COPY is then a savepoint in it."""
CLOCK = "SELECT pg_current_xact_id()::text::bigint, now(), clock_timestamp()"
ENOUGH = 100_000
"""Characters of COPY that are sent together."""
MOST_TAILS = 1_000
"""Options whose text is remembered."""
SOON = timedelta(seconds=10)
"""Who waits for the next due job looks that often by himself."""
RING = """
SELECT pgqueue.ring(queue, soon => waits)
FROM unnest(CAST(%s AS text[]), CAST(%s AS boolean[])) AS bell(queue, waits)
"""

_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})


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
    flow: msgspec.Raw | None = None


def row(job: NewJob, carrier: Mapping[str, str]) -> Row:
    options = job.options
    meta = joined_meta(options.meta, carrier)
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
        None if meta is None else msgspec.Raw(meta.encode()),
        None if job.flow is None else msgspec.Raw(job.flow.encode()),
    )


Made = tuple[int, bool]
"""The id of a job, and whether it is a new one."""


def enqueue_many(
    connection: Any, jobs: Sequence[NewJob], max_args_bytes: int, carrier: Mapping[str, str]
) -> list[Made]:
    """Ids in the order of the jobs, and whether each is a new one. `carrier` joins their meta."""
    refuse(connection, (job.options for job in jobs))
    made: list[Made] = []
    for statement, parameters in _chunks(jobs, max_args_bytes, carrier):
        made += _made(run(connection, statement, parameters))
    return made


async def enqueue_many_async(
    connection: Any, jobs: Sequence[NewJob], max_args_bytes: int, carrier: Mapping[str, str]
) -> list[Made]:
    """Ids in the order of the jobs, and whether each is a new one. `carrier` joins their meta."""
    await refuse_async(connection, (job.options for job in jobs))
    made: list[Made] = []
    for statement, parameters in _chunks(jobs, max_args_bytes, carrier):
        made += _made(await run_async(connection, statement, parameters))
    return made


def _chunks(
    jobs: Iterable[NewJob], max_args_bytes: int, carrier: Mapping[str, str]
) -> Iterator[tuple[Statement, dict[str, Any]]]:
    remaining = iter(jobs)
    while chunk := list(islice(remaining, CHUNK)):
        with_flow = any(job.flow is not None for job in chunk)
        text = msgspec.json.encode([row(job, carrier) for job in chunk]).decode()
        parameters = {"jobs": text, "max_args_bytes": max_args_bytes}
        yield _ENQUEUE_MANY_WITH if with_flow else _ENQUEUE_MANY, parameters


def _made(rows: list[tuple[Any, ...]]) -> Iterator[Made]:
    return ((id, created != [False]) for id, *created in rows)


def copy_many(connection: Any, jobs: Iterable[NewJob]) -> int:
    """COPY the jobs in the caller's transaction, and wake whoever sleeps. Returns their number."""
    with explained(), tuple_cursor(connection) as cursor:
        if not connection.autocommit:
            cursor.execute(BEGIN)
        with connection.transaction():
            lines = Lines(connection, *cursor.execute(CLOCK).fetchone())
            with cursor.copy(COPY) as copy:
                for part in lines.of(jobs):
                    copy.write(part)
            cursor.execute(RING, lines.bells())
    return lines.count


async def copy_many_async(connection: Any, jobs: Iterable[NewJob]) -> int:
    """COPY the jobs in the caller's transaction, and wake whoever sleeps. Returns their number."""
    with explained():
        async with tuple_cursor(connection) as cursor:
            if not connection.autocommit:
                await cursor.execute(BEGIN)
            async with connection.transaction():
                await cursor.execute(CLOCK)
                lines = Lines(connection, *await cursor.fetchone())
                async with cursor.copy(COPY) as copy:
                    for part in lines.of(jobs):
                        await copy.write(part)
                await cursor.execute(RING, lines.bells())
    return lines.count


class Lines:
    """Jobs in the text format of COPY. What jobs with the same options share is written once."""

    def __init__(self, connection: Any, xid: int, now: datetime, clock: datetime) -> None:
        encoding = connection.info.encoding
        self._encoding = "utf-8" if encoding == "ascii" else encoding
        self._xid = xid
        self._now = now
        self._soon = clock + SOON
        self._transformer = Transformer()
        self._tails: dict[int, tuple[JobOptions, str]] = {}
        self._bells: set[tuple[str, bool]] = set()
        self.count = 0

    def of(self, jobs: Iterable[NewJob]) -> Iterator[bytes]:
        """Many lines together, as far as they are short."""
        lines: list[str] = []
        length = 0
        for job in jobs:
            line = self._line(job)
            lines.append(line)
            length += len(line)
            self.count += 1
            if length > ENOUGH:
                yield "".join(lines).encode(self._encoding)
                lines.clear()
                length = 0
        if lines:
            yield "".join(lines).encode(self._encoding)

    def bells(self) -> tuple[list[str], list[bool]]:
        """Who is to be woken: queues, and whether it is for a job that waits for its time."""
        bells = sorted(self._bells)
        return [queue for queue, _ in bells], [waits for _, waits in bells]

    def _line(self, job: NewJob) -> str:
        if job.flow is not None:
            raise InvalidOption(
                f"{job.task}: copy_many takes no jobs with flow options. Use enqueue_many for them."
            )
        if job.options.max_backlog is not None:
            raise InvalidOption(
                f"{job.task}: copy_many looks at no backlog. Use enqueue_many for jobs with "
                "max_backlog, or ask app.queue(...).backlog() first."
            )
        _, tail = self._tails.get(id(job.options)) or self._remember(job.options)
        return f"{_escape(job.task)}\t{_escape(job.args)}\t{tail}\n"

    def _remember(self, options: JobOptions) -> tuple[JobOptions, str]:
        """A job that is due carries the id of its transaction, its place in line; a later one
        carries none. The options are kept with their text, so that no others get their id.
        """
        delay = options.delay
        run_at = options.run_at or (self._now + delay if delay is not None else self._now)
        waits = run_at > self._now
        if run_at < self._soon:
            self._bells.add((options.queue, waits))
        if len(self._tails) >= MOST_TAILS:
            self._tails.clear()
        fields = (
            options.queue,
            options.priority,
            run_at,
            None if waits else self._xid,
            options.max_attempts,
            options.timeout,
            list(options.tags) or None,
            options.meta,
        )
        kept = self._tails[id(options)] = options, "\t".join(map(self._field, fields))
        return kept

    def _field(self, value: Any) -> str:
        if value is None:
            return "\\N"
        dumped = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        return _escape(bytes(dumped or b"").decode())


def _escape(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text if text.isprintable() else text.translate(_ESCAPES)
