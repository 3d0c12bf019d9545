"""A worker at full speed while a transaction is held open, so that vacuum removes nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from ..counter import Counter
from ..errors import BenchmarkError
from ..figure import per_second
from ..flood import SIZE
from ..lab import Lab
from ..measuring import Group, Reading, Trial, Wanted
from ..stock import check, empty, settle

MOST_WAITING = 50_000
ENDS = 10
"""Seconds at the beginning and at the end that are compared, or a third of a short trial."""
SITUATIONS = {
    "nothing held": (),
    "an old reader": (
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "SELECT count(*) FROM pgqueue.queue",
    ),
    "an old writer": ("BEGIN", "SELECT pg_current_xact_id()"),
}
"""What a second connection says before it falls silent."""


def group(lab: Lab) -> Group:
    seconds = ends(int(lab.plan.pin_seconds))
    last, first = f"last {seconds} s", f"first {seconds} s"
    trials: dict[str, Trial] = {
        name: partial(_trial, lab, name, statements, last, first)
        for name, statements in SITUATIONS.items()
    }
    wanted = [Wanted(f"{name}, {last}", "jobs/s", f"{name}, {first}") for name in SITUATIONS]
    title = f"Jobs come and go for {lab.plan.pin_seconds:g} seconds"
    return Group("pinned", title, wanted, trials, rounds=1)


def ends(seconds: int) -> int:
    return max(1, min(ENDS, seconds // 3))


def _trial(lab: Lab, name: str, statements: Sequence[str], last: str, first: str) -> Reading:
    samples = _samples(lab, statements)
    rates = per_second(samples)
    if not rates:
        raise BenchmarkError("no job began in time.\nHint: give it longer: --pin-seconds 10")
    seconds = ends(len(rates))
    values = {
        f"{name}, {last}": sum(rates[-seconds:]) / seconds,
        f"{name}, {first}": sum(rates[:seconds]) / seconds,
    }
    return Reading(values, {f"{name}, {last}": rates})


def _samples(lab: Lab, statements: Sequence[str]) -> list[tuple[float, int]]:
    """The clock and how many jobs had begun, from when the worker was at work."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pgqueue-bench-")))
        count = folder / "count"
        Counter.make(count)
        with lab.connect() as connection:
            empty(connection, keep=False)
            settle(connection)
        flood = stack.enter_context(lab.process("flood", counter=str(count), most=MOST_WAITING))
        worker = stack.enter_context(lab.process("worker", counter=str(count)))
        flood.await_ready()
        worker.await_ready()
        holder = stack.enter_context(lab.connect())
        for statement in statements:
            holder.execute(statement.encode())
        flood.go()
        worker.go()
        lab.await_registered()
        time.sleep(lab.plan.pin_seconds)
        found = worker.stop()
        inserted = int(flood.stop()["jobs"])
        holder.close()
    _check(lab, inserted - int(found["count"]))
    samples: list[tuple[float, int]] = found["samples"]
    return [sample for sample in samples if sample[1]]


def _check(lab: Lab, left: int) -> None:
    """Raise if jobs were lost. The flood does not know whether its last commit took place."""
    with lab.connect() as connection:
        row = connection.execute("SELECT count(*) FROM pgqueue.job").fetchone()
        assert row is not None
        check(connection, left=row[0] if abs(row[0] - left) <= SIZE else left, done=0)
