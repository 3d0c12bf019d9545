"""What it costs a worker that many more jobs lie there than it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg

from ..draining import drain_by_workers, rate
from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..stock import schedule, stock

PAUSE = "SELECT pgqueue.pause_queue('paused')"
MOST_PAUSED = 100_000
PRIORITIES = 10


def group(lab: Lab) -> Group:
    jobs, backlog = lab.plan.jobs, lab.plan.backlog
    paused = min(MOST_PAUSED, backlog)
    plain = "only these waiting"

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

    situations: dict[str, tuple[Callable[[psycopg.Connection], None], int]] = {
        plain: (lambda connection: stock(connection, jobs), 0),
        f"{backlog:,} more waiting": (waiting, backlog),
        f"{backlog:,} more scheduled": (scheduled, backlog),
        f"{paused:,} more in a paused queue": (in_a_paused_queue, paused),
        f"spread over {PRIORITIES} priorities": (with_priorities, 0),
    }
    trials: dict[str, Trial] = {
        name: partial(_trial, lab, name, lay_out, left)
        for name, (lay_out, left) in situations.items()
    }
    wanted = [Wanted(name, "jobs/s", plain) for name in situations if name != plain]
    title = f"Drain {jobs:,} jobs where there are more"
    return Group("backlog", title, wanted, trials, lab.plan.rounds)


def _trial(
    lab: Lab, name: str, lay_out: Callable[[psycopg.Connection], None], left: int
) -> Reading:
    results = drain_by_workers(lab, lay_out, left=left, max_jobs=lab.plan.jobs)
    return Reading({name: rate(lab.plan.jobs, results)})
