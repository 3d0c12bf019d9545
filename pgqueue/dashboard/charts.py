"""Charts of what happened: from rows of history to columns and points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from .database import Row, Session
from .rendering import count, duration, rate
from .windows import Window

HISTORY = """
SELECT h.*, now() AS now
FROM pgqueue.history(now() - %(length)s, now(), %(step)s, %(queue)s, %(task)s) AS h
"""
DEPTHS = "SELECT d.* FROM pgqueue.depths(now() - %(length)s, now(), %(step)s, %(queue)s) AS d"
YOUNG = timedelta(seconds=30)
Unit = Literal["count", "seconds", "rate"]


class Chart(NamedTuple):
    """A table of figures that a browser draws, and what stands above it."""

    id: str
    caption: str
    note: str
    columns: list[tuple[str, str]]
    rows: list[tuple[datetime, list[float | None]]]
    unit: Unit
    stacked: bool = False


class History(NamedTuple):
    """What happened in a window: a row for each step, and one for each look at the depth."""

    window: Window
    steps: list[Row]
    depths: list[Row]

    @property
    def ended(self) -> int:
        """How many attempts ended."""
        return sum(_all(row) for row in self.steps)

    @property
    def failed(self) -> int:
        """How many of them with an error."""
        return sum(row["retried"] + row["dead"] for row in self.steps)


async def history_of(
    session: Session, window: Window, *, queue: str | None = None, task: str | None = None
) -> History:
    """What happened, in one queue or all, in one task or all. Tasks have no depth."""
    asked = {"length": window.length, "step": window.step, "queue": queue, "task": task}
    steps = await session.rows(HISTORY, asked)
    depths = [] if task is not None else await session.rows(DEPTHS, asked)
    return History(window, steps, depths)


def charts_of(history: History) -> list[Chart]:
    """The charts of a page, in their order. A step that has just begun says nothing of a minute."""
    *before, last = history.steps
    if before and last["now"] - last["at"] < YOUNG:
        history = history._replace(steps=before)
    drawn = [_throughput(history), _errors(history), _waits(history), _runs(history)]
    return [_depth(history), *drawn] if history.depths else drawn


def _depth(history: History) -> Chart:
    looked = {row["at"]: row for row in history.depths}
    rows: list[tuple[datetime, list[float | None]]] = [
        (
            step["at"],
            [_of(looked.get(step["at"]), "queued"), _of(looked.get(step["at"]), "running")],
        )
        for step in history.steps
    ]
    columns = [("waiting", "series-1"), ("running", "series-2")]
    return Chart("depth", "Jobs", _note(rows, 0, count), columns, rows, "count")


def _throughput(history: History) -> Chart:
    names = ("succeeded", "retried", "dead", "cancelled")
    rows: list[tuple[datetime, list[float | None]]] = [
        (row["at"], [row[name] / _minutes(history, row) for name in names]) for row in history.steps
    ]
    total = [(at, [sum(value or 0 for value in values)]) for at, values in rows]
    columns = list(zip(names, ("series-2", "series-3", "bad", "series-5"), strict=True))
    note = _note(total, 0, rate)
    return Chart("throughput", "Ended per minute", note, columns, rows, "rate", stacked=True)


def _errors(history: History) -> Chart:
    rows: list[tuple[datetime, list[float | None]]] = [
        (row["at"], [(row["retried"] + row["dead"]) / _minutes(history, row)])
        for row in history.steps
    ]
    note = _note(rows, 0, rate)
    return Chart("errors", "Errors per minute", note, [("errors", "bad")], rows, "rate")


def _waits(history: History) -> Chart:
    return _times(history, "wait", "Wait before a start", ("series-4", "series-1"))


def _runs(history: History) -> Chart:
    return _times(history, "run", "Time of an attempt", ("series-5", "series-2"))


def _times(history: History, kind: str, caption: str, colors: tuple[str, str]) -> Chart:
    names = (f"{kind}_p95", f"{kind}_p50")
    rows: list[tuple[datetime, list[float | None]]] = [
        (row["at"], [row[name] for name in names]) for row in history.steps
    ]
    columns = [("p95", colors[0]), ("p50", colors[1])]
    return Chart(kind, caption, _note(rows, 0, duration), columns, rows, "seconds")


def _note(
    rows: Sequence[tuple[datetime, Sequence[float | None]]],
    column: int,
    word: Callable[[float], str],
) -> str:
    """The newest figure and the largest one, for those who do not look for long."""
    known = [value for _, values in rows if (value := values[column]) is not None]
    if not known:
        return "nothing yet"
    last = rows[-1][1][column]
    most = f"most {word(max(known))}"
    return most if last is None else f"now {word(last)} · {most}"


def _minutes(history: History, row: Row) -> float:
    """How long a step has lasted: the last one goes on."""
    lasted: timedelta = min(max(row["now"] - row["at"], YOUNG), history.window.step)
    return lasted / timedelta(minutes=1)


def _all(row: Row) -> int:
    return int(row["succeeded"] + row["retried"] + row["dead"] + row["cancelled"])


def _of(row: Row | None, name: str) -> float | None:
    return None if row is None else row[name]
