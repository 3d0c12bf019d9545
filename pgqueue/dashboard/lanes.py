"""The queues as they stand: how much waits, runs and died in each, counted up to an end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .database import Row, Session

MOST = 10_000
"""Counts end here."""
MOST_LANES = 200
"""Queues on one page."""
BY_INDEX = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true)
"""
LANES = """
SELECT lane.name AS queue, ready.jobs AS queued, gated.jobs AS blocked, line.running, line.oldest,
       CAST(extract(epoch FROM now() - line.oldest) AS double precision) AS oldest_seconds,
       dead.jobs AS dead, crew.workers, crew.slots,
       coalesce(q.paused_at IS NOT NULL AND coalesce(q.paused_until > now(), true), false)
           AS paused,
       q.paused_at, q.paused_by, q.pause_reason, q.paused_until,
       CASE WHEN q.name IS NULL THEN interval '7 days' ELSE q.keep_succeeded END AS keep_succeeded,
       coalesce(q.keep_dead, interval '30 days') AS keep_dead, q.ageing
FROM (SELECT name FROM pgqueue.queue_names() AS name
      WHERE name > %(after)s AND name = coalesce(%(name)s, name)
      ORDER BY name LIMIT %(lanes)s) AS lane
LEFT JOIN pgqueue.queue q ON q.name = lane.name
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs FROM (
        SELECT FROM pgqueue.job j
        WHERE j.queue = lane.name AND j.ready_xid IS NOT NULL AND j.lease IS NULL
        ORDER BY j.priority DESC, j.ready_xid DESC, j.id DESC LIMIT %(most)s) AS found) AS ready
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs FROM (
        SELECT FROM pgqueue.job j
        WHERE j.queue = lane.name AND j.ready_xid IS NULL AND j.blocked AND j.lease IS NULL
        ORDER BY j.priority, j.id LIMIT %(most)s) AS found) AS gated
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs FROM (
        SELECT FROM pgqueue.job_dead d
        WHERE d.queue = lane.name AND d.finished_at > now() - interval '24 hours'
          AND d.state = 'dead' LIMIT %(most)s) AS found) AS dead
CROSS JOIN LATERAL (
    SELECT count(*) AS workers, coalesce(sum(w.concurrency), 0) AS slots FROM pgqueue.worker w
    WHERE lane.name = ANY (w.queues) AND w.seen_at + w.lease_for >= now()
      AND w.draining_at IS NULL) AS crew
CROSS JOIN LATERAL pgqueue.look_at_line(lane.name, 1000) AS line
ORDER BY lane.name
"""
LATER = """
SELECT next.queue, next.attempt > 0 AS again, count(*) AS jobs
FROM (SELECT j.queue, j.attempt FROM pgqueue.job j
      WHERE j.ready_xid IS NULL AND j.blocked IS NULL ORDER BY j.run_at LIMIT %s) AS next
GROUP BY 1, 2
"""
LIMITS = """
SELECT l.name, l.concurrency, l.rate, l.per, l.burst, l.sliding, l.when_full, l.declared
FROM pgqueue.limit_rule AS l WHERE l.name = ANY (%s)
"""


class Lanes(NamedTuple):
    """A page of queues. Of the jobs that are due later only the first are known by their queue."""

    rows: list[Row]
    scheduled: int
    retrying: int

    @property
    def is_cut(self) -> bool:
        """Whether there are more queues."""
        return len(self.rows) >= MOST_LANES

    @property
    def later_is_cut(self) -> bool:
        """Whether more jobs are due later than were counted."""
        return self.scheduled + self.retrying >= MOST

    def total(self, name: str) -> str:
        """A figure of all queues together, with a + where counting ended."""
        return total(row[name] for row in self.rows)

    def later(self, name: str) -> str:
        """How many are scheduled or retrying, with a + where counting ended."""
        return f"{getattr(self, name):,}" + ("+" if self.later_is_cut else "")


async def lanes_of(session: Session, *, name: str | None = None, after: str = "") -> Lanes:
    """The queues behind this name in their order, or the one of a name."""
    await session.rows(BY_INDEX)
    asked = {"after": after, "name": name, "most": MOST, "lanes": MOST_LANES}
    rows = await session.rows(LANES, asked)
    later = await session.rows(LATER, [MOST])
    names = [f"queue:{row['queue']}" for row in rows]
    rules = {row["name"]: row for row in await session.rows(LIMITS, [[*names, "queue"]])}
    for row in rows:
        mine = [found for found in later if found["queue"] == row["queue"]]
        row["scheduled"] = sum(found["jobs"] for found in mine if not found["again"])
        row["retrying"] = sum(found["jobs"] for found in mine if found["again"])
        row["limit"] = rules.get(f"queue:{row['queue']}") or rules.get("queue")
    return Lanes(
        rows,
        sum(found["jobs"] for found in later if not found["again"]),
        sum(found["jobs"] for found in later if found["again"]),
    )


def total(counts: Iterable[int]) -> str:
    """A sum of counts that may have ended early."""
    known = list(counts)
    return f"{sum(known):,}" + ("+" if any(part >= MOST for part in known) else "")
