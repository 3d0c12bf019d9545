"""What a worker tells people: a line for each event, text or JSON; arguments only if asked."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Literal

import msgspec

from ..events import (
    ConnectionLost,
    ConnectionRestored,
    Event,
    JobFinished,
    JobRescued,
    JobsReleased,
    JobStarted,
    LeaseWasLost,
    ListenerDegraded,
    Observer,
    ScheduleBroken,
    ScheduleTicked,
    Trouble,
    UnknownTaskSeen,
    WorkerAsked,
    WorkerDraining,
    WorkerStarted,
    WorkerStopped,
)
from ..outcome import Cancelled, Dead, Outcome, Retrying, Snoozed, Succeeded

Level = Literal["debug", "info", "warning", "error"]
LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_RED, _YELLOW, _GREEN, _DIM, _END = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[0m"

NAMES: dict[type[Event], str] = {
    WorkerStarted: "worker.started",
    WorkerAsked: "worker.asked",
    WorkerDraining: "worker.draining",
    WorkerStopped: "worker.stopped",
    JobStarted: "job.started",
    JobFinished: "job.finished",
    JobRescued: "job.rescued",
    JobsReleased: "jobs.released",
    LeaseWasLost: "lease.lost",
    UnknownTaskSeen: "task.unknown",
    ScheduleTicked: "schedule.ticked",
    ScheduleBroken: "schedule.broken",
    ConnectionLost: "connection.lost",
    ConnectionRestored: "connection.restored",
    ListenerDegraded: "listener.degraded",
    Trouble: "trouble",
}


def observer(
    style: Literal["text", "json"] = "text",
    *,
    level: Level = "info",
    show_args: bool = False,
    color: bool = False,
    stream: IO[str] | None = None,
) -> Observer:
    """An observer that writes lines to `stream`, by default standard error."""
    line = _json_line if style == "json" else _text_line(color)
    least = LEVELS[level]
    out = sys.stderr if stream is None else stream

    def observe(event: Event) -> None:
        if severity(event) >= least:
            try:
                out.write(line(event, show_args) + "\n")
                out.flush()
            except (OSError, ValueError):
                pass  # nobody reads any longer: jobs matter more than lines

    return observe


def warn_of(event: Event) -> None:
    """For workers that nobody observes: what goes wrong goes to the logger `pgqueue`."""
    if severity(event) >= LEVELS["warning"]:
        word, facts, _ = _words(event)
        logging.getLogger("pgqueue").warning("%s %s", word, facts)


def severity(event: Event) -> int:
    match event:
        case JobFinished(outcome=Dead()) | LeaseWasLost():
            return 40
        case JobFinished(outcome=Retrying()) | JobRescued() | UnknownTaskSeen() | Trouble():
            return 30
        case ConnectionLost() | ListenerDegraded() | ScheduleBroken():
            return 30
        case JobStarted():
            return 10
    return 20


def _json_line(event: Event, show_args: bool) -> str:
    record: dict[str, Any] = {
        "ts": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": next(name for name, value in LEVELS.items() if value == severity(event)),
        "event": NAMES[type(event)],
    }
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name == "waited":
            record["wait_ms"] = round(value * 1000, 3)
        elif field.name == "ran":
            record["run_ms"] = round(value * 1000, 3)
        elif field.name == "outcome":
            record |= _outcome_fields(value)
        elif field.name == "trace_id" and value is None:
            pass
        elif field.name != "args":
            record[field.name] = value
        elif show_args:
            record["args"] = msgspec.Raw(value.encode())
    return msgspec.json.encode(record).decode()


def _outcome_fields(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"outcome": type(outcome).__name__.lower()}
    if isinstance(outcome, Retrying | Dead):
        found["error_type"] = outcome.failure.error_type
        found["error"] = outcome.failure.message
    if isinstance(outcome, Retrying | Snoozed):
        found["retry_in"] = round(outcome.delay.total_seconds(), 3)
    return found


def _text_line(color: bool) -> Callable[[Event, bool], str]:
    def paint(text: str, code: str) -> str:
        return f"{code}{text}{_END}" if color else text

    def line(event: Event, show_args: bool) -> str:
        word, rest, code = _words(event)
        if show_args and isinstance(event, JobStarted):
            rest += f"  {visible(event.args)}"
        clock = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        return f"{paint(clock, _DIM)}  {paint(f'{word:<9}', code)} {rest}"

    return line


def _words(event: Event) -> tuple[str, str, str]:
    """A word for what happened, the facts, a colour."""
    match event:
        case JobStarted():
            wait = f"waited {duration(event.waited)}"
            return "start", f"{_job(event)}  {event.attempt}/{event.max_attempts}   {wait}", _DIM
        case JobFinished():
            return _finished(event)
        case JobRescued():
            lost = visible(event.lost_worker or "a lost worker")
            what = f"{visible(event.task)} #{event.job_id}  {visible(event.queue)}"
            return "rescued", f"{what}   from {lost}, now {event.state}", _YELLOW
        case WorkerStarted():
            queues = " ".join(visible(queue) for queue in event.queues)
            return "ready", f"{visible(event.worker)} (worker {event.worker_id})  {queues}", _GREEN
        case WorkerAsked():
            return "asked", f"for {event.wish}", _YELLOW
        case WorkerDraining():
            text = f"{event.running} running, no new jobs; they get {duration(event.grace)}"
            return "draining", text, _YELLOW
        case WorkerStopped():
            done = f"{event.succeeded:,} done, {event.retried:,} retried, {event.dead:,} dead"
            return "stopped", f"{done}, {event.released:,} released", _GREEN
        case JobsReleased():
            return "released", f"{event.count} jobs, because {event.reason}", _DIM
        case LeaseWasLost():
            text = f"job #{event.job_id}: its lease was lost, what was done is refused"
            return "lost", text, _RED
        case UnknownTaskSeen():
            text = (
                f"queue {visible(event.queue)} has jobs of the unknown task {visible(event.task)}"
            )
            more = "they are left to other workers. Is its module imported?"
            return "unknown", f"{text}; {more}", _YELLOW
        case ScheduleTicked() | ScheduleBroken():
            return _scheduled(event)
        case ConnectionLost():
            return "offline", f"{event.role}: {visible(event.error)}; trying again", _RED
        case ConnectionRestored():
            return "online", event.role, _GREEN
        case ListenerDegraded():
            return "polling", visible(event.reason), _YELLOW
        case Trouble():
            return "trouble", f"{event.where}: {visible(event.error)}; trying again", _RED


def _scheduled(event: ScheduleTicked | ScheduleBroken) -> tuple[str, str, str]:
    if isinstance(event, ScheduleBroken):
        what = f"schedule {visible(event.schedule)} of {visible(event.task)}"
        return "broken", f"{what}: {visible(event.error)}", _RED
    made = visible(event.note or "") if event.job_id is None else f"job #{event.job_id}"
    return "tick", f"{visible(event.schedule)}  {event.tick}  {made}", _DIM


def _finished(event: JobFinished) -> tuple[str, str, str]:
    what, ran = _job(event), duration(event.ran)
    match event.outcome:
        case Succeeded():
            return "done", f"{what}  {ran}", _GREEN
        case Retrying(delay, failure):
            tries = f"{event.attempt}/{event.max_attempts}, again in {duration(delay)}"
            return (
                "retry",
                f"{what}  {_error(failure.error_type, failure.message)}  {tries}",
                _YELLOW,
            )
        case Dead(failure):
            tries = f"{event.attempt}/{event.max_attempts}   pgqueue jobs show {event.job_id}"
            return "dead", f"{what}  {_error(failure.error_type, failure.message)}  {tries}", _RED
        case Snoozed(delay):
            return "snoozed", f"{what}  for {duration(delay)}", _DIM
        case Cancelled(reason):
            return "cancelled", f"{what}  {visible(reason or '')}".rstrip(), _YELLOW


def _job(event: JobStarted | JobFinished) -> str:
    return f"{visible(event.task)} #{event.job_id}  {visible(event.queue)}"


def _error(kind: str, message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else ""
    return visible(f"{kind}: {first}"[:200])


def duration(value: timedelta | float) -> str:
    """A duration as people write it: 8ms, 1.2s, 5m 10s, 2h 3m."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s".replace(".0s", "s")
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {seconds}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m"


def visible(text: str) -> str:
    """Text from the database, with what a terminal would obey written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
