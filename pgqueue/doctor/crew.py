"""Who works, and what nobody works on: workers, queues, tasks, schedules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..wording import count_of
from . import trouble
from .database import Database
from .finding import Finding, ok, problem, warning

WORKERS = "SELECT w.name, w.state, w.version FROM pgqueue.workers w ORDER BY w.name, w.id"
STRAYS = """
SELECT count(*) FROM pgqueue.job j
WHERE j.lease IS NOT NULL AND NOT EXISTS (SELECT FROM pgqueue.worker w WHERE w.id = j.worker_id)
"""
QUEUES = """
SELECT s.queue, s.queued, s.blocked, s.more, s.workers, s.paused_at, s.paused_by, s.pause_reason,
       s.paused_until
FROM pgqueue.count_queues() s ORDER BY s.queue
"""
UNKNOWN_TASKS = "SELECT u.queue, u.task, u.jobs FROM pgqueue.unknown_tasks() u"
SCHEDULES = """
SELECT now() AS now, s.name, s.queue, s.task, s.state, s.next_tick, s.known, s.error
FROM pgqueue.schedules s ORDER BY s.name
"""
RESCUE = "SELECT * FROM pgqueue.rescue(true);"


def workers(database: Database) -> Iterator[Finding]:
    """Workers whose heartbeat stopped, and jobs that nobody holds although they have a lease."""
    rows = database.rows(WORKERS)
    fix = "start a worker, which rescues them, or rescue them yourself"
    found = []
    for row in rows:
        if row["state"] == "lost":
            text = f"worker {row['name']} is lost, and its jobs are not rescued yet."
            found.append(problem(text, fix, fix_sql=RESCUE, safe=True))
    strays = database.value(STRAYS)
    if strays:
        text = f"{count_of(strays, 'running job')} of workers that are gone."
        found.append(problem(text, fix, fix_sql=RESCUE, safe=True))
    yield from found or [ok(f"{count_of(len(rows), 'live worker')}, none lost.")]


def versions(database: Database) -> Iterator[Finding]:
    """More than one release at work, as in the middle of a deployment, or after half of one."""
    found: dict[str, list[str]] = {}
    for row in database.rows(WORKERS):
        if row["state"] != "lost":
            found.setdefault(row["version"], []).append(row["name"])
    if len(found) > 1:
        each = "; ".join(f"{version}: {', '.join(found[version][:5])}" for version in sorted(found))
        yield warning(f"workers of {len(found)} releases run: {each}.", "finish the deployment")
    else:
        (version,) = found or ("",)
        yield ok(f"every worker runs pgqueue {version}." if version else "no worker runs.")


def queues(database: Database) -> Iterator[Finding]:
    """Jobs in a queue that no live worker serves."""
    rows = database.rows(QUEUES)
    bad = [one for one in trouble.of_queues(rows) if one.kind == "queue_without_worker"]
    yield from _problems(
        bad, f"every queue with jobs has a worker ({count_of(len(rows), 'queue')})."
    )


def tasks(database: Database) -> Iterator[Finding]:
    """Jobs that workers see and none can run: a rename without an alias, or an old deployment."""
    bad = trouble.of_tasks(database.rows(UNKNOWN_TASKS))
    fix = 'deploy its code, or give the task that replaced it the old name: aliases=["…"]'
    found = [problem(one.text, fix) for one in bad]
    yield from found or [ok("every waiting job's task is known to a worker of its queue.")]


def schedules(database: Database) -> Iterator[Finding]:
    """Schedules that are broken or late, or whose task nobody knows."""
    rows = database.rows(SCHEDULES)
    ticking = count_of(sum(row["state"] == "active" for row in rows), "active schedule")
    yield from _problems(trouble.of_schedules(rows), f"{ticking}, none late.")


def _problems(troubles: Iterable[trouble.Trouble], otherwise: str) -> list[Finding]:
    return [problem(one.text, one.command) for one in troubles] or [ok(otherwise)]
