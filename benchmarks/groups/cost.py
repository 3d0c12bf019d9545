"""What one no-op job costs: processor time on both sides, WAL, dead rows, transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import psycopg

from ..backends import BackendWatch
from ..draining import Results, drain_by_plain_sql, drain_by_workers
from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..stock import stock

UNITS = {
    "processor, client": "µs/job",
    "processor, server": "µs/job",
    "WAL": "bytes/job",
    "dead rows": "per job",
    "HOT updates": "% of updates",
    "transactions": "per 1,000 jobs",
    "memory at most": "MB",
}
HISTORY = {False: "deleted", True: "kept"}
OLD_STATISTICS = 150_000
"""Servers before this version tell their statistics with a delay."""
STATISTICS = """
SELECT n_tup_upd, n_tup_hot_upd, n_tup_del FROM pg_stat_user_tables
WHERE relid = 'pgqueue.job'::regclass
"""
COUNTS = """
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, xact_commit + xact_rollback
FROM pg_stat_database WHERE datname = %s
"""
NOTES = (
    "no CHECKPOINT before these drains: WAL is counted without full pages. "
    "It is the whole server's, so nobody else should write meanwhile.",
)


def group(lab: Lab) -> Group:
    trials: dict[str, Trial] = {}
    wanted = []
    for keep in (False, True):
        ours, floor = HISTORY[keep], f"plain SQL, {HISTORY[keep]}"
        trials[ours] = partial(_trial, lab, ours, partial(_by_a_worker, lab, keep))
        trials[floor] = partial(_trial, lab, floor, partial(_by_plain_sql, lab, keep))
        wanted += [
            Wanted(f"{what}, {ours}", unit, f"{what}, {floor}") for what, unit in UNITS.items()
        ]
    return Group("cost", "What a no-op job costs", wanted, trials, lab.plan.rounds, NOTES)


def _by_a_worker(lab: Lab, keep: bool, begin: Callable[[], None]) -> Results:
    return drain_by_workers(
        lab,
        lambda connection: stock(connection, lab.plan.jobs),
        keep=keep,
        checkpoint=False,
        begin=begin,
    )


def _by_plain_sql(lab: Lab, keep: bool, begin: Callable[[], None]) -> Results:
    return drain_by_plain_sql(lab, keep=keep, checkpoint=False, begin=begin)


def _trial(lab: Lab, name: str, drain: Callable[[Callable[[], None]], Results]) -> Reading:
    with lab.connect_beside() as beside, BackendWatch(lab, beside) as watch:
        before: list[Any] = []

        def begin() -> None:
            before.extend(_counts(lab, beside))
            watch.start()

        results = drain(begin)
        watch.stop()
        after = _counts(lab, beside)
    difference = [now - then for now, then in zip(after, before, strict=True)]
    values = costs(lab.plan.jobs, results, difference, watch.seconds)
    return Reading({f"{what}, {name}": value for what, value in values.items()})


def costs(
    jobs: int, results: Results, counts: Sequence[float], server: float | None
) -> dict[str, float]:
    """The figures of a drain, by what the counts grew by meanwhile. Some may not be known."""
    wal, transactions, updated, hot, deleted = counts
    found = {
        "processor, client": 1e6 * sum(each["cpu"] for each in results) / jobs,
        "WAL": wal / jobs,
        "dead rows": (updated + deleted) / jobs,
        "transactions": 1000 * transactions / jobs,
    }
    if updated:
        found["HOT updates"] = 100 * hot / updated
    if peaks := [each["peak_mb"] for each in results if "peak_mb" in each]:
        found["memory at most"] = max(peaks)
    if server is not None:
        found["processor, server"] = 1e6 * server / jobs
    return found


def _counts(lab: Lab, beside: psycopg.Connection) -> list[float]:
    if beside.info.server_version < OLD_STATISTICS:
        time.sleep(1)
    row = beside.execute(COUNTS, [lab.place.name]).fetchone()
    with lab.connect() as connection:
        table = connection.execute(STATISTICS).fetchone()
    assert row is not None
    assert table is not None
    return [float(each) for each in (*row, *table)]
