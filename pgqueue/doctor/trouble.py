"""What keeps jobs from running, in words: the same in `info`, in the doctor, and elsewhere.

Each function judges rows that were read already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..wording import count_of, text_of_seconds

Row = dict[str, Any]

OVERDUE = 60.0
"""Seconds after which a tick that nobody came to is worth a warning."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong: its kind, a sentence, and the command to go on with."""

    kind: str
    text: str
    command: str
    queue: str | None = None
    task: str | None = None
    worker: str | None = None


def of_queues(rows: Iterable[Row]) -> Iterator[Trouble]:
    """Queues with jobs and without workers, and paused ones. Rows are those of count_queues."""
    for row in rows:
        name, waiting = row["queue"], row["queued"] + row["blocked"]
        is_more = {"queued", "blocked"} & {*row["more"]}
        jobs = f"{waiting:,}+ waiting jobs" if is_more else count_of(waiting, "waiting job")
        if waiting and not row["workers"]:
            text = f"{name}: {jobs} and no live worker."
            yield Trouble("queue_without_worker", text, f"pgqueue worker -q {name}", queue=name)
        if row["paused_at"]:
            ends = until(row["paused_until"])
            text = f"{name}: paused by {row['paused_by']}{ends}{_why(row['pause_reason'])}"
            text += f", {jobs}."
            yield Trouble("queue_paused", text, f"pgqueue queues resume {name}", queue=name)


def of_tasks(rows: Iterable[Row]) -> Iterator[Trouble]:
    """Tasks that no live worker knows. Rows have queue, task and jobs."""
    for row in rows:
        queue, task, jobs = row["queue"], row["task"], count_of(row["jobs"], "waiting job")
        text = f"{queue}: {jobs} of task {task}, which no live worker knows."
        command = f"pgqueue jobs ls --queue {queue} --task {task}"
        yield Trouble("unknown_task", text, command, queue=queue, task=task)


def of_workers(rows: Iterable[Row]) -> Iterator[Trouble]:
    """Workers that are lost, or are to be quiet. Rows are those of workers."""
    for row in rows:
        if row["state"] == "lost":
            text = f"worker {row['name']} is lost: others rescue its jobs."
            yield Trouble("worker_lost", text, "pgqueue workers ls", worker=row["name"])
        elif row["state"] == "quiet":
            text = f"worker {row['name']} takes no jobs: {row['wished_by']} asked it to be quiet."
            command = f"pgqueue workers resume {row['name']}"
            yield Trouble("worker_quiet", text, command, worker=row["name"])


def of_pauses(rows: Iterable[Row]) -> Iterator[Trouble]:
    """Pauses of tasks, tags and tenants. Rows are those of pauses."""
    for row in rows:
        if row["kind"] == "queue":
            continue
        what = f"{row['kind']} {row['name']}"
        text = f"{what}: paused by {row['paused_by']}{until(row['until'])}{_why(row['reason'])}."
        task = row["name"] if row["kind"] == "task" else None
        yield Trouble("paused", text, f"pgqueue resume {what}", task=task)


def of_schedules(rows: Iterable[Row]) -> Iterator[Trouble]:
    """Schedules that do not tick. Rows are those of schedules, with now."""
    for row in rows:
        if (found := of_schedule(row)) is not None:
            yield found


def of_schedule(row: Row) -> Trouble | None:
    """What keeps an active schedule from ticking."""
    name = row["name"]

    def trouble(kind: str, text: str, command: str) -> Trouble:
        return Trouble(kind, text, command, queue=row["queue"], task=row["task"])

    if row["state"] == "broken":
        text = f"schedule {name} is broken: {row['error']}"
        return trouble("schedule_broken", text, f"pgqueue cron show {name}")
    if row["state"] != "active":
        return None
    if not row["known"]:
        text = f"schedule {name} does not tick: no live worker knows its task {row['task']}."
        return trouble("schedule_orphaned", text, f"pgqueue cron show {name}")
    late = 0.0 if row["next_tick"] is None else (row["now"] - row["next_tick"]).total_seconds()
    if late > OVERDUE:
        text = f"schedule {name} has been due for {text_of_seconds(late)}, and no worker ticks it."
        return trouble("schedule_overdue", text, "pgqueue worker --cron")
    return None


def until(end: datetime | None) -> str:
    """When a pause ends, if that is known."""
    return f" until {end:%Y-%m-%d %H:%M:%S}Z" if end else ""


def _why(reason: str | None) -> str:
    return f": {reason}" if reason else ""
