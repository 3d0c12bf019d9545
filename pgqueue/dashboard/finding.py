"""Finding jobs: page by page, newest first, and never by reading a whole table.

Live, dead and succeeded jobs are three tables, each with an index on the id. A page walks back from
some id in each of them, as far as REACH rows, and says so where that was not far enough. Live jobs
of a rare state have a shorter way: a partial index, or the head of their line, has all of them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .conditions import Condition
from .conditions import condition as condition_of
from .database import Row, Session
from .gathering import MOST, PIN, REACH, Count, gathered
from .search import Search

PAGE = 50
PATIENCE = 1.0
"""Seconds after which an empty page is shown, and going on is left to whoever looks at it."""
ROUNDS = 10
"""Walks of that length, when all that match are asked for."""
LIVE = ("queued", "running", "scheduled", "retrying", "blocked")


@dataclass(frozen=True, slots=True)
class Source:
    """A table of jobs, and its columns under the names that the others have, too."""

    table: str
    states: tuple[str, ...]
    columns: str


_SHARED = """j.id, CAST(j.queue AS text) AS queue, CAST(j.task AS text) AS task,
    CAST(j.priority AS integer) AS priority, CAST(j.attempt AS integer) AS attempt,
    CAST(j.max_attempts AS integer) AS max_attempts, j.run_at, j.enqueued_at, j.started_at, j.tags,
    CAST(j.args AS jsonb) AS args, CAST(j.meta AS jsonb) AS meta, j.worker_id"""
JOB = Source(
    "pgqueue.job",
    LIVE,
    f"""{_SHARED}, NULL::timestamptz AS finished_at, j.cancel_reason AS reason,
    j.cancel_requested_at,
    CASE WHEN j.lease IS NOT NULL THEN 'running' WHEN j.ready_xid IS NOT NULL THEN 'queued'
         WHEN j.blocked THEN 'blocked' WHEN j.attempt > 0 THEN 'retrying'
         ELSE 'scheduled' END AS state""",
)
DEAD = Source(
    "pgqueue.job_dead",
    ("dead", "cancelled"),
    f"{_SHARED}, j.finished_at, j.reason, NULL::timestamptz AS cancel_requested_at, j.state",
)
DONE = Source(
    "pgqueue.job_done",
    ("succeeded",),
    f"""{_SHARED}, j.finished_at, NULL AS reason, NULL::timestamptz AS cancel_requested_at,
    'succeeded' AS state""",
)
SOURCES = (JOB, DEAD, DONE)

SHOWN = """j.id, j.queue, j.task, j.state, j.priority, j.attempt, j.max_attempts, j.run_at,
    j.enqueued_at, j.started_at, j.finished_at, j.tags, left(j.reason, 300) AS reason,
    j.cancel_requested_at"""
SELECTED = "j.id, j.state"
HIDDEN = """
SELECT name, redact FROM (
    SELECT t.name, t.redact FROM pgqueue.tasks t
    UNION ALL SELECT alias, t.redact FROM pgqueue.tasks t, unnest(t.aliases) AS alias
) AS known WHERE redact <> '{}'
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Ids below or above a mark; the direction in which a page goes on."""

    mark: int | None = None
    backwards: bool = True

    @property
    def order(self) -> str:
        return "DESC" if self.backwards else "ASC"

    def condition(self) -> str:
        if self.mark is None:
            return "true"
        return "j.id < %(mark)s" if self.backwards else "j.id > %(mark)s"


@dataclass(frozen=True, slots=True)
class Page:
    """Jobs, the newest first, and the marks where the pages beside it begin."""

    rows: list[Row]
    older: int | None
    newer: int | None
    ended_at: int | None
    """The id where looking ended before the page was full; None: everything was looked at."""
    is_far: bool = False
    """Whether it took more than one walk: such a page should not be asked for every second."""


async def hidden_arguments(session: Session) -> dict[str, list[str]]:
    """The paths of arguments that are secret, by task and by the names it had before."""
    found: dict[str, list[str]] = {}
    for row in await session.rows(HIDDEN):  # a name may have been that of two tasks
        found.setdefault(row["name"], []).extend(row["redact"])
    return found


async def find_page(session: Session, search: Search, span: Span, size: int = PAGE) -> Page:
    """The next jobs from the mark on. Walks that find nothing are gone on with for a moment."""
    await session.rows(PIN)
    condition = condition_of(search, await hidden_arguments(session))
    began = time.monotonic()
    page = await _page(session, search, condition, span, size)
    while not page.rows and page.ended_at is not None and time.monotonic() < began + PATIENCE:
        span = replace(span, mark=page.ended_at)
        page = replace(await _page(session, search, condition, span, size), is_far=True)
    return page


async def _page(
    session: Session, search: Search, condition: Condition, span: Span, size: int
) -> Page:
    found: list[Row] = []
    ends: list[int] = []
    for source in SOURCES:
        if not set(source.states) & set(search.states):
            continue
        ids = await _candidates(session, source, search, search.states)
        rows = await _walk(session, source, condition, span, ids, size + 1, SHOWN)
        found += rows
        if ids is None and len(rows) <= size:
            end = await _end(session, source, span)
            ends += [end] if end is not None else []
    found.sort(key=lambda row: int(row["id"]), reverse=span.backwards)
    return _cut(found, ends, span, size)


def _cut(found: list[Row], ends: list[int], span: Span, size: int) -> Page:
    """What lies behind the nearest end of a walk may have gaps: it belongs to the next page."""
    ended_at = None
    if ends:
        end = max(ends) if span.backwards else min(ends)
        near = [row for row in found if (row["id"] >= end) == span.backwards or row["id"] == end]
        if len(near) <= size:
            ended_at, found = end, near
    onward = found[size - 1]["id"] if len(found) > size else ended_at
    found = found[:size]
    back = None
    if span.mark is not None:
        back = found[0]["id"] if found else span.mark + (-1 if span.backwards else 1)
    if span.backwards:
        return Page(found, older=onward, newer=back, ended_at=ended_at)
    return Page(found[::-1], older=back, newer=onward, ended_at=ended_at)


async def _candidates(
    session: Session, source: Source, search: Search, states: Sequence[str]
) -> list[int] | None:
    """The only ids that come into question; None: any."""
    if search.ids is not None:
        return search.ids
    wanted = [state for state in source.states if state in states]
    if source is not JOB or len(wanted) == len(LIVE):
        return None
    found = (await gathered(session, wanted)).values()
    return None if any(part.more for part in found) else [id for part in found for id in part.ids]


async def _walk(
    session: Session,
    source: Source,
    condition: Condition,
    span: Span,
    ids: Sequence[int] | None,
    most: int,
    shown: str,
) -> list[Row]:
    among = "true" if ids is None else "j.id = ANY (%(ids)s)"
    query = f"""
        SELECT {shown} FROM (
            SELECT {source.columns} FROM {source.table} j
            WHERE {span.condition()} AND {among} ORDER BY j.id {span.order} LIMIT {REACH}
        ) AS j WHERE {condition.sql} ORDER BY j.id {span.order} LIMIT %(most)s"""
    parameters = {**condition.parameters, "mark": span.mark, "ids": ids, "most": most}
    return await session.rows(query, parameters)


async def _end(session: Session, source: Source, span: Span) -> int | None:
    """Where a walk ends that is not long enough; None: it has come to the last row."""
    query = f"""
        SELECT j.id FROM {source.table} j WHERE {span.condition()}
        ORDER BY j.id {span.order} OFFSET {REACH} - 1 LIMIT 1"""
    row = await session.row(query, {"mark": span.mark})
    return row["id"] if row else None


@dataclass(frozen=True, slots=True)
class Matching:
    """The jobs that an action is about, in the order of their ids."""

    ids: list[int]
    states: dict[str, int]
    """How many of them are in which state."""
    more: bool
    """Whether there are more than an action may change at once."""
    ended_at: int | None
    """The id where looking ended before all was looked at."""


async def find_matching(
    session: Session, search: Search, states: Sequence[str], most: int, newest: int | None = None
) -> Matching:
    """Jobs that match and are in one of these states, the newest first, up to so many."""
    await session.rows(PIN)
    chosen = condition_of(search, await hidden_arguments(session))
    wanted = [state for state in search.states if state in states]
    parameters = {**chosen.parameters, "wanted": wanted}
    condition = Condition(f"({chosen.sql}) AND j.state = ANY (%(wanted)s)", parameters)
    found: list[Row] = []
    ends: list[int] = []
    for source in SOURCES:
        if set(source.states) & set(wanted):
            ids = await _candidates(session, source, search, wanted)
            rows, end = await _walks(session, source, condition, newest, ids, most + 1)
            found += rows
            ends += [] if end is None else [end]
    found.sort(key=lambda row: int(row["id"]), reverse=True)
    more = len(found) > most
    counted = Counter(row["state"] for row in found[:most])
    return Matching(
        sorted(row["id"] for row in found[:most]), dict(counted), more, max(ends, default=None)
    )


async def _walks(
    session: Session,
    source: Source,
    condition: Condition,
    newest: int | None,
    ids: Sequence[int] | None,
    most: int,
) -> tuple[list[Row], int | None]:
    """What several walks in a row find, and where the last one ended before the last row."""
    found: list[Row] = []
    mark = None if newest is None else newest + 1
    for _ in range(ROUNDS):
        span = Span(mark)
        found += await _walk(session, source, condition, span, ids, most - len(found), SELECTED)
        mark = None if len(found) == most or ids is not None else await _end(session, source, span)
        if mark is None:
            break
    return found, mark


async def count_matching(session: Session, search: Search) -> dict[str, Count]:
    """How many of the newest jobs match, by state, whatever state is asked for."""
    await session.rows(PIN)
    anywhere = Search(search.text, tuple(t for t in search.terms if t.field != "state"))
    condition = condition_of(anywhere, await hidden_arguments(session))
    found: dict[str, Count] = {}
    for source in SOURCES:
        query = f"""
            SELECT j.state, count(*) AS number FROM (
                SELECT {source.columns} FROM {source.table} j
                WHERE %(ids)s::bigint[] IS NULL OR j.id = ANY (%(ids)s)
                ORDER BY j.id DESC LIMIT {MOST}
            ) AS j WHERE {condition.sql} GROUP BY j.state"""
        rows = await session.rows(query, {**condition.parameters, "ids": anywhere.ids})
        more = anywhere.ids is None and await _is_longer(session, source)
        numbers = {row["state"]: row["number"] for row in rows}
        found |= {state: Count(numbers.get(state, 0), more) for state in source.states}
    return found


async def _is_longer(session: Session, source: Source) -> bool:
    query = f"SELECT EXISTS (SELECT FROM {source.table} j ORDER BY j.id DESC OFFSET {MOST})"
    return bool(await session.value(query))
