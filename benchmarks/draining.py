"""Draining a stock of jobs: by workers, or by plain SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from .lab import Lab
from .process import Process
from .stock import check, empty, settle, stock

Results = Sequence[dict[str, Any]]
Stock = Callable[[psycopg.Connection], None]


def rate_of_workers(
    lab: Lab, number: int = 1, *, keep: bool = False, task: str = "noop", **settings: Any
) -> float:
    """Jobs per second of worker processes, from the first job's start to everything written."""
    results = drain_by_workers(
        lab, lambda c: stock(c, lab.plan.jobs, task), number, keep=keep, **settings
    )
    return rate(lab.plan.jobs, results)


def drain_by_workers(
    lab: Lab,
    lay_out: Stock,
    number: int = 1,
    *,
    keep: bool = False,
    left: int = 0,
    checkpoint: bool = True,
    begin: Callable[[], None] | None = None,
    **settings: Any,
) -> Results:
    """What each worker process found. `begin` runs right before they do."""
    with lab.workers(number, once=True, **settings) as workers:
        _lay_out(lab, lay_out, keep, checkpoint)
        results = _race(workers, begin)
    with lab.connect() as connection:
        check(connection, left=left, done=lab.plan.jobs if keep else 0)
    return results


def rate_of_plain_sql(lab: Lab, number: int = 1, *, keep: bool = False) -> float:
    """The same by plain SQL, which runs nothing."""
    return rate(lab.plan.jobs, drain_by_plain_sql(lab, number, keep=keep))


def drain_by_plain_sql(
    lab: Lab,
    number: int = 1,
    *,
    keep: bool = False,
    checkpoint: bool = True,
    begin: Callable[[], None] | None = None,
) -> Results:
    """What each process found."""
    _lay_out(lab, lambda connection: stock(connection, lab.plan.jobs), keep, checkpoint)
    processes = lab.processes("plain", number)
    for process in processes:
        process.order(keep=keep)
    results = _race(processes, begin)
    with lab.connect() as connection:
        check(connection, done=lab.plan.jobs if keep else 0)
    return results


def rate(jobs: int, results: Results) -> float:
    """Jobs per second from the first start in any process to the last end."""
    took = max(each["ended"] for each in results) - min(
        each["first"] for each in results if each["first"]
    )
    return float(jobs / took)


def _lay_out(lab: Lab, lay_out: Stock, keep: bool, checkpoint: bool) -> None:
    with lab.connect() as connection:
        empty(connection, keep=keep)
        lay_out(connection)
        settle(connection, checkpoint=checkpoint)


def _race(processes: Sequence[Process], begin: Callable[[], None] | None) -> Results:
    for process in processes:
        process.await_ready()
    if begin is not None:
        begin()
    for process in processes:
        process.go()
    return [process.result() for process in processes]
