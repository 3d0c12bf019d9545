"""What it costs that jobs go through the gate: tenants in turn, one at a time by key, limits."""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg

from ..draining import drain_by_workers, rate
from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..stock import stock, stock_with_flow

TENANTS, EACH = 50, 20
"""Small tenants beside a large one, and the jobs of each."""
TENANT = f"""
CASE WHEN i > %(jobs)s - {TENANTS * EACH} THEN 'small ' || i %% {TENANTS} ELSE 'large' END
"""
FLOWS = {
    "tenants in turn": f"jsonb_build_object('fair_key', {TENANT})",
    "one at a time by 1,000 keys": "jsonb_build_object('order_key', (i %% 1000)::text)",
    "under a limit of 20": "jsonb_build_object('limits', jsonb_build_array('bench'))",
}
RULE = "SELECT pgqueue.set_limit('bench', concurrency => 20)"
UNTIL_SMALL = """
SELECT count(*) FROM pgqueue.job_done
WHERE started_at <= (SELECT max(started_at) FROM pgqueue.job_done WHERE tags = '{small}')
"""


def group(lab: Lab) -> Group:
    trials: dict[str, Trial] = {}
    wanted = []
    for task, what in (("noop", "no-op jobs"), ("nap", "jobs of 5 ms")):
        plain = f"{what}, plain"
        trials[plain] = partial(_drain, lab, plain, None, task=task)
        for flow, expression in FLOWS.items():
            name = f"{what}, {flow}"
            trials[name] = partial(_drain, lab, name, expression, task=task)
            wanted.append(Wanted(name, "jobs/s", plain))
    share = f"jobs run until {TENANTS} small tenants are through"
    trials[share] = partial(_share, lab, share)
    wanted.append(Wanted(share, "jobs", "jobs of theirs, and as many of the large one's"))
    title = f"Drain {lab.plan.jobs:,} jobs that go through the gate, 20 at once"
    return Group("flow", title, wanted, trials, lab.plan.rounds)


def _drain(lab: Lab, name: str, flow: str | None, **how: Any) -> Reading:
    task = how["task"]

    def lay_out(connection: psycopg.Connection) -> None:
        connection.execute(RULE)
        if flow is None:
            stock(connection, lab.plan.jobs, task)
        else:
            stock_with_flow(connection, lab.plan.jobs, flow, task)

    return Reading({name: rate(lab.plan.jobs, drain_by_workers(lab, lay_out))})


def _share(lab: Lab, name: str) -> Reading:
    def lay_out(connection: psycopg.Connection) -> None:
        stock_with_flow(connection, lab.plan.jobs, FLOWS["tenants in turn"], "nap")

    drain_by_workers(lab, lay_out, keep=True)
    with lab.connect() as connection:
        ((found,),) = connection.execute(UNTIL_SMALL).fetchall()
    ideal = (TENANTS + 1) * EACH
    return Reading(
        {name: float(found), "jobs of theirs, and as many of the large one's": float(ideal)}
    )
