"""Many jobs at once: a thousand in a statement, and COPY."""

from __future__ import annotations

from functools import partial

from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..stock import empty
from .enqueue import rate

MANY = 1_000
MOST_COPIED = 50_000


def group(lab: Lab) -> Group:
    many, copied = min(MANY, lab.plan.jobs), min(MOST_COPIED, lab.plan.jobs)
    acts = {
        f"enqueue_many, {many:,} a commit": ("enqueue_many", many),
        f"INSERT … FROM unnest, {many:,} a commit": ("unnest", many),
        f"copy_many, {copied:,} a commit": ("copy_many", copied),
        f"COPY, {copied:,} a commit": ("copy", copied),
    }
    names = list(acts)
    wanted = [
        Wanted(ours, "jobs/s", floor) for ours, floor in zip(names[::2], names[1::2], strict=True)
    ]
    trials: dict[str, Trial] = {
        name: partial(_trial, lab, name, *act) for name, act in acts.items()
    }
    return Group("bulk", "Enqueue in bulk", wanted, trials, lab.plan.rounds)


def _trial(lab: Lab, name: str, act: str, size: int) -> Reading:
    with lab.connect() as connection:
        empty(connection)
    return Reading({name: rate(lab, act, 1, size)})
