"""Errors, traces and check-ins for Sentry. A job that will be tried again is no issue; one that is
dead is. It needs the package sentry-sdk, and does nothing until `sentry_sdk.init` was called.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

try:
    import sentry_sdk
    from sentry_sdk.crons import capture_checkin
    from sentry_sdk.utils import event_from_exception
except ImportError as error:
    raise ImportError(
        "pgqueue.sentry needs the package sentry-sdk. Say: pip install 'pgqueue[sentry]'"
    ) from error

from .application import Application
from .instruments import Outgoing, Run
from .outcome import Cancelled, Dead, Retrying, Succeeded

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sentry_sdk.types import Event

TRACE, BAGGAGE = "sentry-trace", "baggage"
LONGEST_SLUG = 50


def instrument(
    app: Application, *, errors: Literal["dead", "all"] = "dead", check_ins: bool = True
) -> None:
    """Report what this application's jobs die of, trace them, and check in for its schedules.

    With `errors="all"` every failed attempt is an issue. Neither the arguments of jobs nor the
    variables in tracebacks are sent.
    """
    app.instrument(Sentry(app, every_error=errors == "all", check_ins=check_ins))


class Sentry:
    """The instrument."""

    def __init__(self, app: Application, *, every_error: bool, check_ins: bool) -> None:
        self._app = app
        self._reported = (Dead, Retrying) if every_error else (Dead,)
        self._check_ins = check_ins

    @contextmanager
    def enqueueing(self, outgoing: Outgoing) -> Iterator[None]:
        with sentry_sdk.start_span(op="queue.publish", name=outgoing.task or "jobs") as span:
            if sentry_sdk.is_initialized():
                outgoing.carrier[TRACE] = sentry_sdk.get_traceparent() or ""
                outgoing.carrier[BAGGAGE] = sentry_sdk.get_baggage() or ""
            yield
            if outgoing.queue is not None:
                span.set_data("messaging.destination.name", outgoing.queue)
            if len(outgoing.ids) == 1:
                span.set_data("messaging.message.id", str(outgoing.ids[0]))

    @contextmanager
    def running(self, run: Run) -> Iterator[None]:
        job, meta = run.job, run.job.meta
        headers = {name: meta[name] for name in (TRACE, BAGGAGE) if isinstance(meta.get(name), str)}
        with sentry_sdk.isolation_scope() as scope:
            scope.clear_breadcrumbs()
            scope.set_tag("pgqueue.queue", job.queue)
            scope.set_tag("pgqueue.task", job.task)
            scope.set_context("pgqueue", {"job": job.id, "attempt": job.attempt})
            began = sentry_sdk.continue_trace(
                headers, op="queue.task", name=job.task, source="task"
            )
            with sentry_sdk.start_transaction(began), _span(run) as span:
                job.trace_id = job.trace_id or span.trace_id
                self._check_in(run, meta)
                yield
                failed = isinstance(run.outcome, Dead | Retrying)
                span.set_status("internal_error" if failed else "ok")
                if isinstance(run.outcome, self._reported):
                    sentry_sdk.capture_event(*_event(run))
                self._check_in(run, meta)

    def carry(self, carrier: dict[str, str]) -> None:
        """Nothing: a child process reports through its parent."""

    def continuing(self, carrier: Mapping[str, str]) -> AbstractContextManager[object]:
        return nullcontext()

    def _check_in(self, run: Run, meta: Mapping[str, Any]) -> None:
        """Before an attempt and at the end of the job, under one id whoever runs it."""
        schedule = meta.get("schedule")
        if not self._check_ins or not isinstance(schedule, str):
            return
        match run.outcome:
            case None:
                status = "in_progress"
            case Succeeded():
                status = "ok"
            case Dead() | Cancelled():
                status = "error"
            case _:
                return
        capture_checkin(
            monitor_slug=re.sub(r"[^a-z0-9_-]+", "-", schedule.lower())[:LONGEST_SLUG],
            check_in_id=uuid.uuid5(uuid.NAMESPACE_OID, f"{schedule} {run.job.id}").hex,
            status=status,
            monitor_config=self._monitor(schedule),
        )

    def _monitor(self, schedule: str) -> Any:
        """What Sentry has to know to miss a tick, where the application declares it."""
        known = self._app.schedules.get(schedule)
        if known is None or known.cron is None or len(known.cron.split()) != 5:
            return None
        return {"schedule": {"type": "crontab", "value": known.cron}, "timezone": known.timezone}


@contextmanager
def _span(run: Run) -> Iterator[Any]:
    job = run.job
    with sentry_sdk.start_span(op="queue.process", name=job.task) as span:
        span.set_data("messaging.system", "pgqueue")
        span.set_data("messaging.destination.name", job.queue)
        span.set_data("messaging.message.id", str(job.id))
        span.set_data("messaging.message.retry.count", job.attempt - 1)
        span.set_data("messaging.message.receive.latency", round(max(0.0, job.waited) * 1000, 3))
        yield span


def _event(run: Run) -> tuple[Event, dict[str, Any]]:
    """With the error itself where it is here; what a child process raised is known as text."""
    # What a handler holds in its variables are the arguments of its job, more often than not.
    options = {**sentry_sdk.get_client().options, "include_local_variables": False}
    mechanism = {"type": "pgqueue", "handled": False}
    if run.error is not None:
        event, hint = event_from_exception(run.error, options, mechanism)
        hide = run.hiding()
        for told in event.get("exception", {}).get("values", ()):
            told["value"] = hide(str(told.get("value") or ""))
        if hide is not str:  # it holds the error itself, with everything in clear
            return event, {}
        return event, dict(hint)
    assert isinstance(run.outcome, Dead | Retrying)
    failure = run.outcome.failure
    value = {"type": failure.error_type, "value": failure.message, "mechanism": mechanism}
    return {"level": "error", "exception": {"values": [value]}}, {}
