"""From a commit to the start of its handler, beside a bare NOTIFY."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from ..figure import percentile
from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..process import Process
from ..stock import empty

STEADY = 500
PACES = {
    "pauses of 40 ms": (67, 20, (0.02, 0.06)),
    "pauses of 300 ms": (12, 3, (0.25, 0.35)),
    f"{STEADY} jobs/s": (STEADY, 20, (1 / STEADY, 1 / STEADY)),
}
"""Jobs for each second of a timed figure, at least so many, and the least and the longest time
from one to the next. The longer the pause, the colder are the caches of all who take part.
"""
SHARES = {"p50": 0.50, "p99": 0.99}

Times = Sequence[tuple[int, int]]


def group(lab: Lab) -> Group:
    trials: dict[str, Trial] = {}
    wanted = []
    for name, (each_second, least, pace) in PACES.items():
        number = max(least, round(each_second * lab.plan.seconds))
        trials[name] = partial(_ours, lab, name, number, pace)
        trials[f"NOTIFY: {name}"] = partial(_floor, lab, f"NOTIFY: {name}", number, pace)
        wanted += [Wanted(f"{name}, {share}", "ms", f"NOTIFY: {name}, {share}") for share in SHARES]
    title = "From commit to the start of the handler"
    return Group("latency", title, wanted, trials, lab.plan.rounds)


def _ours(lab: Lab, name: str, number: int, pace: tuple[float, float]) -> Reading:
    with lab.connect() as connection:
        empty(connection)
    with lab.sleeping_worker() as worker:
        committed = _produce(lab, "stamp", number, pace)
        _await_empty(lab)
        started = worker.stop()["starts"]
    return Reading(shares(name, committed, started))


def _floor(lab: Lab, name: str, number: int, pace: tuple[float, float]) -> Reading:
    (listener,) = lab.processes("listener")
    listener.order(number=number)
    listener.await_ready()
    listener.go()
    committed = _produce(lab, "notify", number, pace)
    return Reading(shares(name, committed, listener.result()["starts"]))


def _produce(lab: Lab, act: str, number: int, pace: tuple[float, float]) -> Times:
    producer: Process
    (producer,) = lab.processes("producer")
    producer.order(act=act, number=number, pace=pace)
    producer.await_ready()
    producer.go()
    committed: Times = producer.result()["committed"]
    return committed


def _await_empty(lab: Lab) -> None:
    """The worker gives back what it has not started when it is stopped; so let it start all."""
    with lab.connect() as connection:
        while connection.execute("SELECT FROM pgqueue.job LIMIT 1").fetchall():
            time.sleep(0.02)


def shares(name: str, committed: Times, started: Times) -> dict[str, float]:
    """Percentiles in milliseconds of the time between both, by whatever key they have in common.

    What is heard before the commit has returned to whoever made it took no time.
    """
    starts = dict(started)
    took = [max(0.0, (starts[key] - at) / 1e6) for key, at in committed]
    return {f"{name}, {share}": percentile(took, part) for share, part in SHARES.items()}
