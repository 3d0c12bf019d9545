"""What became of a job, as a line of steps; and what its options say, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from .database import Row

_FIELD = re.compile(r"\{job\.([a-z_]+)\}")
_LINKED = ("id", "task", "queue", "state", "worker_id", "attempt")


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened, or is to happen; `after` is the time since the step before."""

    name: str
    at: datetime
    kind: str
    """The state that it left the job in; its sign is shown."""
    note: str = ""
    after: timedelta | None = None


def steps(job: Row, failures: Sequence[Row]) -> list[Step]:
    """From the first to the last. Failures are given the newest first."""
    found = [Step("Enqueued", job["enqueued_at"], "queued")]
    attempts = list(reversed(failures))
    first = min((f["started_at"] for f in attempts if f["started_at"]), default=job["started_at"])
    waits = job["state"] in ("scheduled", "retrying") or first is None
    if job["run_at"] > job["enqueued_at"] and not attempts and (waits or job["run_at"] <= first):
        found.append(Step("Due", job["run_at"], "scheduled"))
    for failure in attempts:
        if failure["started_at"]:
            found.append(_start(failure["started_at"], failure["attempt"], failure["worker"]))
        found.append(Step("Failed", failure["failed_at"], "dead", failure["error_type"]))
    last = attempts[-1]["started_at"] if attempts else None
    if job["started_at"] and (last is None or job["started_at"] > last):
        found.append(_start(job["started_at"], job["attempt"], job["worker"]))
    if job["cancel_requested_at"]:
        found.append(Step("Asked to stop", job["cancel_requested_at"], "cancelled"))
    if job["finished_at"]:
        found.append(Step(job["state"].capitalize(), job["finished_at"], job["state"]))
    elif job["state"] == "retrying":
        found.append(Step("Next attempt", job["run_at"], "retrying"))
    return _timed(found)


def _start(at: datetime, attempt: int, worker: str | None) -> Step:
    on = f" on {worker}" if worker else ""
    return Step("Started", at, "running", f"attempt {attempt}{on}")


def _timed(found: list[Step]) -> list[Step]:
    timed = [found[0]]
    for before, step in pairwise(found):
        timed.append(Step(step.name, step.at, step.kind, step.note, step.at - before.at))
    return timed


def flow_in_words(flow: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The options that hold a job back, each with what it means. A plain INSERT may have written
    others than there are.
    """
    words = []
    if isinstance(flow.get("unique"), dict):
        words.append(("Unique key", _unique(flow["unique"])))
    if "order_key" in flow:
        skips = flow.get("on_failure") == "skip"
        then = "goes ahead while one is retried" if skips else "waits while one is retried"
        words.append(
            ("Order key", f"{flow['order_key']}: one at a time, in order; the next {then}")
        )
    if "fair_key" in flow:
        words.append(("Tenant", f"{flow['fair_key']}: tenants of the queue take turns"))
    if isinstance(flow.get("limits"), dict):
        weights = flow["limits"].items()
        names = (name if str(weight) == "1" else f"{name} × {weight}" for name, weight in weights)
        words.append(("Limits", ", ".join(names)))
    if "expires_at" in flow:
        words.append(("Expires", f"{_instant(flow['expires_at'])}, unless it has started by then"))
    if "retry_until" in flow:
        words.append(("Retried", f"until {_instant(flow['retry_until'])}"))
    return words


def _instant(text: object) -> str:
    return str(text)[:19].replace("T", " ")


def _unique(unique: Mapping[str, Any]) -> str:
    held = f"while {unique['while']}" if "while" in unique else f"for {unique.get('for')}"
    conflict = {"skip": "others lead to this one", "replace": "others replace it while it waits"}
    told = conflict.get(str(unique.get("on_conflict")), "others are refused")
    return f"{unique.get('key')}: held {held}; {told}"


def links_of(templates: Mapping[str, str], job: Row) -> list[tuple[str, str]]:
    """Where else to look, as whoever set up the dashboard wrote it. Values are quoted for URLs."""

    def value(match: re.Match[str]) -> str:
        return quote(str(job[match[1]]), safe="") if match[1] in _LINKED else match[0]

    return [(name, _FIELD.sub(value, template)) for name, template in templates.items()]
