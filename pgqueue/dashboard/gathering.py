"""Live jobs by their state, found where an index or the order of claims has them together.

There is no index on the state of a live job: each would cost every claim a write. What there is:
those that wait for their time and those at the gate have partial indexes; those that run are at the
heads of the lines, because lines are claimed from the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .database import Session

MOST = 10_000
REACH = 100_000
"""Rows of a table that one page looks at."""
HEAD = 2_000
"""Jobs at the head of a line among which those that run are looked for. Where that is not enough,
the workers know how many they are."""

_LINES = """
WITH RECURSIVE line AS (
    (SELECT CAST(j.queue AS text) AS queue, CAST(j.priority AS smallint) AS priority, 1 AS number
     FROM pgqueue.job j
     WHERE j.ready_xid IS NOT NULL ORDER BY j.queue, j.priority LIMIT 1)
    UNION ALL
    SELECT following.queue, following.priority, line.number + 1
    FROM line, LATERAL (
        SELECT CAST(j.queue AS text) AS queue, CAST(j.priority AS smallint) AS priority
        FROM pgqueue.job j
        WHERE j.ready_xid IS NOT NULL AND (j.queue, j.priority) > (line.queue, line.priority)
        ORDER BY j.queue, j.priority LIMIT 1
    ) AS following
    WHERE line.number < 500
)"""
_RUNNING = f"""{_LINES}
SELECT head.id FROM line, LATERAL (
    SELECT j.id, j.lease FROM pgqueue.job j
    WHERE j.queue = line.queue AND j.priority = line.priority AND j.ready_xid IS NOT NULL
    ORDER BY j.ready_xid, j.id LIMIT {HEAD}
) AS head WHERE head.lease IS NOT NULL
UNION ALL
SELECT j.id FROM pgqueue.gate g JOIN pgqueue.job j ON j.id = g.job_id
WHERE g.state IN ('held', 'ended') AND j.lease IS NOT NULL AND j.ready_xid IS NULL
"""
_QUEUED = """
SELECT j.id FROM pgqueue.job j WHERE j.ready_xid IS NOT NULL AND j.lease IS NULL
ORDER BY j.queue DESC, j.priority DESC, j.ready_xid DESC, j.id DESC
"""
_BLOCKED = """
SELECT j.id FROM pgqueue.job j WHERE j.ready_xid IS NULL AND j.blocked AND j.lease IS NULL
ORDER BY j.queue, j.priority, j.id
"""
_LATER = f"""
SELECT j.id FROM (
    SELECT w.id, w.attempt FROM pgqueue.job w WHERE w.ready_xid IS NULL AND w.blocked IS NULL
    ORDER BY w.run_at LIMIT {MOST + 1}
) AS j WHERE """
QUERIES = {
    "queued": _QUEUED,
    "running": _RUNNING,
    "scheduled": _LATER + "j.attempt = 0",
    "retrying": _LATER + "j.attempt > 0",
    "blocked": _BLOCKED,
}
_LATER_MORE = f"""
SELECT EXISTS (
    SELECT FROM pgqueue.job j WHERE j.ready_xid IS NULL AND j.blocked IS NULL
    ORDER BY j.run_at OFFSET {MOST})
"""
REPORTED = """
SELECT coalesce(sum(w.running), 0) FROM pgqueue.worker w WHERE w.seen_at + w.lease_for >= now()
"""
_DEAD = f"""
SELECT count(*) FROM (
    SELECT FROM (SELECT d.state FROM pgqueue.job_dead d ORDER BY d.id DESC LIMIT {REACH}) AS d
    WHERE d.state = %s LIMIT {MOST + 1}) AS found
"""
_DEAD_BEYOND = f"SELECT EXISTS (SELECT FROM pgqueue.job_dead d ORDER BY d.id DESC OFFSET {REACH})"
_DONE = f"SELECT count(*) FROM (SELECT FROM pgqueue.job_done LIMIT {MOST + 1}) AS d"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The ids of jobs in a state; `more`: there are others."""

    ids: list[int]
    more: bool


@dataclass(frozen=True, slots=True)
class Count:
    """So many; `more`: at least so many, which says nothing of none."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        if not self.more:
            return f"{self.number:,}"
        return f"{self.number:,}+" if self.number else "?"


async def gathered(session: Session, states: Sequence[str]) -> dict[str, Gathered]:
    """All jobs in these live states, or as many as are counted."""
    found = {}
    later_more = {"scheduled", "retrying"} & set(states) and await session.value(_LATER_MORE)
    for state in states:
        query = (
            f"SELECT coalesce(array_agg(id), '{{}}') FROM ({QUERIES[state]} LIMIT {MOST + 1}) AS j"
        )
        ids = await session.value(query)
        more = bool(later_more) if state in ("scheduled", "retrying") else len(ids) > MOST
        found[state] = Gathered(ids[:MOST], more)
    return found


PIN = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true)
"""
"""Only the walk along an index ends where it is told to; what is known of a table may be old."""


async def counts(session: Session) -> dict[str, Count]:
    """How many jobs are in each state, counted as far as MOST."""
    await session.rows(PIN)
    found = {}
    for state, part in (await gathered(session, tuple(QUERIES))).items():
        found[state] = Count(len(part.ids), part.more)
    reported = await session.value(REPORTED)
    if found["queued"].number >= HEAD and reported > found["running"].number:
        found["running"] = Count(min(int(reported), MOST), reported > MOST)
    done = await session.value(_DONE)
    found["succeeded"] = Count(min(done, MOST), done > MOST)
    beyond = await session.value(_DEAD_BEYOND)
    for state in ("dead", "cancelled"):
        number = await session.value(_DEAD, [state])
        found[state] = Count(min(number, MOST), beyond or number > MOST)
    return found
