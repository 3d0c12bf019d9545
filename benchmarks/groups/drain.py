"""Draining a stock of jobs by workers with default settings, beside the same by plain SQL."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..draining import rate_of_plain_sql, rate_of_workers
from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..tasks import NAP

NAPPERS = 100
MOST_NAPS = NAPPERS / NAP
PROCESSES = {1: "one process", 2: "two processes"}
HISTORY = {False: "deleted", True: "kept"}


def group(lab: Lab) -> Group:
    trials: dict[str, Trial] = {}
    wanted = []
    for number, keep in ((1, False), (1, True), (2, False), (2, True)):
        situation = f"{PROCESSES[number]}, {HISTORY[keep]}"
        ours, floor = f"no-op jobs, {situation}", f"plain SQL, {situation}"
        wanted.append(Wanted(ours, "jobs/s", floor))
        trials[ours] = partial(_ours, lab, ours, number=number, keep=keep)
        trials[floor] = partial(_floor, lab, floor, number, keep)
    threads = "no-op jobs in threads, one process"
    trials[threads] = partial(_ours, lab, threads, task="noop_in_a_thread")
    wanted.append(Wanted(threads, "jobs/s", "plain SQL, one process, deleted"))
    naps = f"jobs of {NAP * 1000:g} ms, {NAPPERS} at once"
    trials[naps] = partial(_naps, lab, naps)
    wanted.append(Wanted(naps, "jobs/s", "concurrency / sleep"))
    title = f"Drain {lab.plan.jobs:,} jobs"
    return Group("drain", title, wanted, trials, lab.plan.rounds)


def _ours(lab: Lab, name: str, **how: Any) -> Reading:
    return Reading({name: rate_of_workers(lab, **how)})


def _floor(lab: Lab, name: str, number: int, keep: bool) -> Reading:
    return Reading({name: rate_of_plain_sql(lab, number, keep=keep)})


def _naps(lab: Lab, name: str) -> Reading:
    ours = rate_of_workers(lab, task="nap", concurrency=NAPPERS)
    return Reading({name: ours, "concurrency / sleep": MOST_NAPS})
