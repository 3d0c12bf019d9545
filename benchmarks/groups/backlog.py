"""What it costs a worker that many more jobs lie there than it runs."""

from __future__ import annotations

import psycopg

from ..lab import Lab
from ..measuring import Group
from ..situations import drained_among
from ..stock import schedule, stock

PAUSE = "SELECT pgqueue.pause_queue('paused')"
MOST_PAUSED = 100_000
PRIORITIES = 10


def group(lab: Lab) -> Group:
    jobs, backlog = lab.plan.jobs, lab.plan.backlog
    paused = min(MOST_PAUSED, backlog)

    def waiting(connection: psycopg.Connection) -> None:
        stock(connection, jobs + backlog)

    def scheduled(connection: psycopg.Connection) -> None:
        stock(connection, jobs)
        schedule(connection, backlog)

    def in_a_paused_queue(connection: psycopg.Connection) -> None:
        stock(connection, jobs)
        stock(connection, paused, queue="paused")
        connection.execute(PAUSE)

    def with_priorities(connection: psycopg.Connection) -> None:
        stock(connection, jobs, priorities=PRIORITIES)

    situations = {
        f"{backlog:,} more waiting": (waiting, backlog),
        f"{backlog:,} more scheduled": (scheduled, backlog),
        f"{paused:,} more in a paused queue": (in_a_paused_queue, paused),
        f"spread over {PRIORITIES} priorities": (with_priorities, 0),
    }
    return drained_among(lab, "backlog", f"Drain {jobs:,} jobs where there are more", situations)
