"""What it costs a worker that many more jobs wait at the gate: paused, or at a full limit."""

from __future__ import annotations

import psycopg

from ..lab import Lab
from ..measuring import Group
from ..situations import drained_among
from ..stock import park, stock

PAUSE = "SELECT pgqueue.pause('task', 'parked')"
LIMIT = "SELECT pgqueue.set_limit('parked', concurrency => 1)"
HOLD = """
INSERT INTO pgqueue.slot (bucket, lease, job_id, expires_at)
VALUES ('parked', 1, 0, now() + interval '1 day')
"""


def group(lab: Lab) -> Group:
    jobs, parked = lab.plan.jobs, lab.plan.backlog

    def paused(connection: psycopg.Connection) -> None:
        stock(connection, jobs)
        connection.execute(PAUSE)
        park(connection, parked, "pause task:parked")

    def limited(connection: psycopg.Connection) -> None:
        stock(connection, jobs)
        connection.execute(LIMIT)
        connection.execute(HOLD)
        park(connection, parked, "parked")

    situations = {
        f"{parked:,} more of a paused task": (paused, parked),
        f"{parked:,} more at a full limit": (limited, parked),
    }
    return drained_among(
        lab, "parked", f"Drain {jobs:,} jobs where more wait at the gate", situations
    )
