"""What it costs a worker that many more jobs wait at the gate: paused, or at a full limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg

from ..draining import drain_by_workers, rate
from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..stock import park, stock

PAUSE = "SELECT pgqueue.pause('task', 'parked')"
LIMIT = "SELECT pgqueue.set_limit('parked', concurrency => 1)"
HOLD = """
INSERT INTO pgqueue.slot (bucket, lease, job_id, expires_at)
VALUES ('parked', 1, 0, now() + interval '1 day')
"""


def group(lab: Lab) -> Group:
    jobs, parked = lab.plan.jobs, lab.plan.backlog
    plain = "only these waiting"

    def paused(connection: psycopg.Connection) -> None:
        stock(connection, jobs)
        connection.execute(PAUSE)
        park(connection, parked, "pause task:parked")

    def limited(connection: psycopg.Connection) -> None:
        stock(connection, jobs)
        connection.execute(LIMIT)
        connection.execute(HOLD)
        park(connection, parked, "parked")

    situations: dict[str, tuple[Callable[[psycopg.Connection], None], int]] = {
        plain: (lambda connection: stock(connection, jobs), 0),
        f"{parked:,} more of a paused task": (paused, parked),
        f"{parked:,} more at a full limit": (limited, parked),
    }
    trials: dict[str, Trial] = {
        name: partial(_trial, lab, name, lay_out, left)
        for name, (lay_out, left) in situations.items()
    }
    wanted = [Wanted(name, "jobs/s", plain) for name in situations if name != plain]
    title = f"Drain {jobs:,} jobs where more wait at the gate"
    return Group("parked", title, wanted, trials, lab.plan.rounds)


def _trial(
    lab: Lab, name: str, lay_out: Callable[[psycopg.Connection], None], left: int
) -> Reading:
    results = drain_by_workers(lab, lay_out, left=left, max_jobs=lab.plan.jobs)
    return Reading({name: rate(lab.plan.jobs, results)})
