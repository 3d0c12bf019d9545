"""The same drain where other things lie around, beside one where nothing does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from .draining import Stock, drain_by_workers, rate
from .lab import Lab
from .measuring import Group, Reading, Trial, Wanted
from .stock import stock

PLAIN = "only these waiting"


def drained_among(
    lab: Lab, name: str, title: str, situations: Mapping[str, tuple[Stock, int]]
) -> Group:
    """A figure for each situation: what is laid out, and how many jobs are left of it."""
    nothing_else: Stock = partial(stock, jobs=lab.plan.jobs)
    trials: dict[str, Trial] = {
        situation: partial(_trial, lab, situation, lay_out, left)
        for situation, (lay_out, left) in {PLAIN: (nothing_else, 0), **situations}.items()
    }
    wanted = [Wanted(situation, "jobs/s", PLAIN) for situation in situations]
    return Group(name, title, wanted, trials, lab.plan.rounds)


def _trial(lab: Lab, name: str, lay_out: Stock, left: int) -> Reading:
    results = drain_by_workers(lab, lay_out, left=left, max_jobs=lab.plan.jobs)
    return Reading({name: rate(lab.plan.jobs, results)})
