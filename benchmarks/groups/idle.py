"""What a worker with default settings costs while there is nothing to do."""

from __future__ import annotations

import time

import psycopg

from ..lab import Lab
from ..machine import cpu_seconds, resident_mb
from ..measuring import Group, Reading, Wanted
from ..stock import empty

TRANSACTIONS, CPU, MEMORY = "transactions", "processor", "memory"
WATCHED = 10
"""Seconds to watch, for each second of a timed figure: thirty for the usual three."""
QUIET = 5
"""The same for the time before, in which what a worker did at its start reaches the statistics."""
COUNT = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"


def group(lab: Lab) -> Group:
    wanted = [
        Wanted(TRANSACTIONS, "per second"),
        Wanted(CPU, "% of a core"),
        Wanted(MEMORY, "MB"),
    ]
    trials = {"idle worker": lambda: _trial(lab)}
    return Group("idle", "A worker with nothing to do", wanted, trials, lab.plan.rounds)


def _trial(lab: Lab) -> Reading:
    with lab.connect() as connection:
        empty(connection)
    # Watched from another database, so that our own transactions are not among those counted.
    with lab.sleeping_worker() as worker, lab.connect_beside() as beside:
        time.sleep(QUIET * lab.plan.seconds)
        began, count, cpu = time.monotonic(), _count(beside, lab), cpu_seconds(worker.pid)
        time.sleep(WATCHED * lab.plan.seconds)
        seconds = time.monotonic() - began
        values = {TRANSACTIONS: (_count(beside, lab) - count) / seconds}
        now, memory = cpu_seconds(worker.pid), resident_mb(worker.pid)
        worker.stop()
    if cpu is not None and now is not None:
        values[CPU] = 100 * (now - cpu) / seconds
    if memory is not None:
        values[MEMORY] = memory
    return Reading(values)


def _count(connection: psycopg.Connection, lab: Lab) -> int:
    row = connection.execute(COUNT, [lab.place.name]).fetchone()
    assert row is not None
    return int(row[0])
