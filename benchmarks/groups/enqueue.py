"""One job a commit, on one connection and on several, while nobody works and while a worker does.

Each connection has a process of its own, so that Python's lock is no limit.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..stock import empty

SITUATIONS = (
    ("psycopg", 1, False),
    ("psycopg", 1, True),
    ("psycopg", 4, False),
    ("psycopg", 4, True),
    ("psycopg", 8, False),
    ("SQLAlchemy", 1, False),
    ("SQLAlchemy", 1, True),
)
"""Client, connections, and whether a worker runs the jobs, which sleeps when they begin to come."""
ACTS = {
    "psycopg": ("enqueue", "insert"),
    "SQLAlchemy": ("enqueue by sqlalchemy", "insert by sqlalchemy"),
}


def group(lab: Lab) -> Group:
    trials: dict[str, Trial] = {}
    wanted = []
    for client, connections, worker in SITUATIONS:
        situation = "1 connection" if connections == 1 else f"{connections} connections"
        situation = f"{client}, {situation}" + (" + worker" if worker else "")
        ours, floor = ACTS[client]
        wanted.append(Wanted(situation, "jobs/s", f"INSERT: {situation}"))
        for name, act in ((situation, ours), (f"INSERT: {situation}", floor)):
            trials[name] = partial(_trial, lab, name, act, connections, worker)
    return Group("enqueue", "Enqueue, one job a commit", wanted, trials, lab.plan.rounds)


def _trial(lab: Lab, name: str, act: str, connections: int, worker: bool) -> Reading:
    with lab.connect() as connection:
        empty(connection)
    return Reading({name: rate(lab, act, connections, worker=worker)})


def rate(lab: Lab, act: str, connections: int, size: int = 1, *, worker: bool = False) -> float:
    """Jobs per second of so many processes together."""
    producers = lab.processes("producer", connections)
    with ExitStack() as stack:
        for producer in producers:
            producer.order(act=act, seconds=lab.plan.seconds, size=size)
        for producer in producers:
            producer.await_ready()
        asleep = stack.enter_context(lab.sleeping_worker()) if worker else None
        for producer in producers:
            producer.go()
        if asleep is not None and not act.startswith("enqueue"):
            _ring(lab)
        results = [producer.result() for producer in producers]
        if asleep is not None:
            asleep.stop()
    return float(sum(each["jobs"] / each["seconds"] for each in results))


def _ring(lab: Lab) -> None:
    """Plain INSERTs do not wake the worker, which then would run nothing in their situation."""
    with lab.connect() as connection:
        connection.execute("SELECT pgqueue.ring('default')")
