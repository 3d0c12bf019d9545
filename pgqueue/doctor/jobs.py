"""Jobs that wait: under limits, at the gate, behind pauses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..wording import count_of, text_of_seconds
from .database import Database
from .finding import Finding, ok, problem, warning

LONG = 3600.0
"""Seconds for which jobs wait behind a pause without end before that is worth a warning."""
TOO_HEAVY = """
SELECT bucket.name AS bucket, max(bucket.weight) AS weight, count(*) AS jobs,
       coalesce(r.burst, r.rate) AS most
FROM pgqueue.gate g, unnest(g.buckets, g.weights) AS bucket(name, weight),
LATERAL pgqueue.rule_of(bucket.name) AS r
WHERE g.state IN ('open', 'closed') AND bucket.weight > coalesce(r.burst, r.rate)
GROUP BY bucket.name, r.burst, r.rate
ORDER BY bucket.name
"""
UNUSED = """
SELECT l.name FROM pgqueue.limits l
WHERE l.running = 0 AND l.waiting = 0 AND l.name !~ '^(queue|task)(:|$)'
  AND NOT EXISTS (
      SELECT FROM pgqueue.gate g, unnest(g.buckets) AS bucket
      WHERE bucket = l.name OR starts_with(bucket, l.name || ':'))
  AND NOT EXISTS (
      SELECT FROM pgqueue.bucket b WHERE b.name = l.name OR starts_with(b.name, l.name || ':'))
ORDER BY l.name
"""
RULES = "SELECT count(*) FROM pgqueue.limits"
AT_THE_GATE = """
SELECT (SELECT count(*) FROM pgqueue.job j WHERE j.blocked
        AND NOT EXISTS (SELECT FROM pgqueue.gate g WHERE g.job_id = j.id)) AS astray,
       (SELECT count(*) FROM pgqueue.gate g WHERE g.state NOT IN ('held', 'ended')
        AND NOT EXISTS (SELECT FROM pgqueue.job j WHERE j.id = g.job_id)) AS ghosts,
       (SELECT count(*) FROM pgqueue.gate g WHERE g.state = 'closed') AS waiting
"""
UNKNOWN_PAUSES = """
SELECT g.blocker, count(*) AS jobs FROM pgqueue.gate g
WHERE g.state = 'closed' AND g.blocker LIKE 'pause %%'
  AND NOT EXISTS (SELECT FROM pgqueue.pause p WHERE 'pause ' || p.kind || ':' || p.name = g.blocker)
  AND NOT EXISTS (SELECT FROM pgqueue.look l
                  WHERE l.blocker = g.blocker OR starts_with(g.blocker, l.blocker || ':'))
GROUP BY g.blocker ORDER BY g.blocker LIMIT %(most)s
"""
BEHIND_PAUSES = """
SELECT 'queue' AS kind, s.queue AS name, s.paused_by, s.pause_reason AS reason,
       s.queued + s.blocked AS jobs, s.more && ARRAY['queued', 'blocked'] AS is_more,
       CAST(extract(epoch FROM now() - waits.since) AS double precision) AS seconds
FROM pgqueue.count_queues() s,
LATERAL (SELECT least(s.oldest_queued_at, min(gated.since)) AS since
         FROM (SELECT greatest(j.run_at, j.enqueued_at) AS since FROM pgqueue.job j
               WHERE j.queue = s.queue AND j.ready_xid IS NULL AND j.blocked AND j.lease IS NULL
               ORDER BY j.priority, j.id LIMIT 10000) AS gated) AS waits
WHERE s.paused_at IS NOT NULL AND s.paused_until IS NULL
  AND waits.since < now() - make_interval(secs => %(long)s)
UNION ALL
SELECT p.kind, p.name, p.paused_by, p.reason, waits.jobs, false,
       CAST(extract(epoch FROM now() - waits.since) AS double precision)
FROM pgqueue.pause p,
LATERAL (SELECT count(*) AS jobs, min(greatest(j.run_at, j.enqueued_at)) AS since
         FROM pgqueue.gate g JOIN pgqueue.job j ON j.id = g.job_id
         WHERE g.state = 'closed' AND g.blocker = 'pause ' || p.kind || ':' || p.name) AS waits
WHERE p.until IS NULL AND waits.since < now() - make_interval(secs => %(long)s)
ORDER BY 1, 2
"""
MEND = "SELECT pgqueue.mend_gate();"
MOST_TOLD = 20


def limits(database: Database) -> Iterator[Finding]:
    """Jobs that weigh more than their limit ever lets through; rules that nobody uses are noted."""
    heavy = database.rows(TOO_HEAVY)
    for row in heavy:
        text = (
            f"{count_of(row['jobs'], 'waiting job')}, of up to {row['weight']:,} each, under limit "
            f"{row['bucket']}, which lets {row['most']:,} through at once: each counts as "
            f"{row['most']:,} and waits until all of it is free."
        )
        yield warning(text, f"pgqueue limits set {row['bucket']}, with a higher rate or burst")
    if not heavy:
        unused = [row["name"] for row in database.rows(UNUSED)]
        note = f"; no job uses {', '.join(unused[:5])} now" if unused else ""
        yield ok(f"{count_of(database.value(RULES), 'limit')}, all of which jobs can meet{note}.")


def blocked(database: Database) -> Iterator[Finding]:
    """What only a hand in the tables can have made wrong at the gate. Workers mend it in time.

    The rows of jobs that ran are there until the next claim settles them: that is no fault.
    """
    state = database.row(AT_THE_GATE)
    found = [
        problem(
            f"{count_of(row['jobs'], 'job')} behind {row['blocker']}, which nobody has set.",
            "let the gate be mended",
            fix_sql=MEND,
            safe=True,
        )
        for row in database.rows(UNKNOWN_PAUSES, most=MOST_TOLD)
    ]
    wrong = {
        "blocked job": (state["astray"], "that the gate does not know"),
        "row": (state["ghosts"], "at the gate whose job is gone"),
    }
    for noun, (number, what) in wrong.items():
        if number:
            text = f"{count_of(number, noun)} {what}."
            found.append(problem(text, "let the gate be mended", fix_sql=MEND, safe=True))
    waiting = count_of(state["waiting"], "job")
    yield from found or [ok(f"{waiting} at the gate, each behind something that can happen.")]


def pauses(database: Database) -> Iterator[Finding]:
    """Jobs that have waited for long behind a pause that has no end."""
    found = [
        warning(
            f"{row['kind']} {row['name']}: {_jobs(row)}, the first for "
            f"{text_of_seconds(row['seconds'])}, behind a pause without end by "
            f"{row['paused_by']}{': ' + row['reason'] if row['reason'] else ''}.",
            f"pgqueue queues resume {row['name']}"
            if row["kind"] == "queue"
            else f"pgqueue resume {row['kind']} {row['name']}",
        )
        for row in database.rows(BEHIND_PAUSES, long=LONG)
    ]
    yield from found or [ok("no job has waited for an hour behind a pause without end.")]


def _jobs(row: dict[str, Any]) -> str:
    return f"{row['jobs']:,}+ jobs" if row["is_more"] else count_of(row["jobs"], "job")
