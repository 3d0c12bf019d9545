"""Traces and metrics by OpenTelemetry, after its conventions for messaging, which may still change:
every name stands in this module.

What enqueues is a span whose context travels in the job's meta as W3C traceparent; the attempt is a
span of its own, linked to it; what the task does are children of that, in threads and child
processes, too. It needs the package opentelemetry-api, and does nothing until an SDK is set up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

try:
    from opentelemetry import context, metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation
    from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise ImportError(
        "pgqueue.otel needs the package opentelemetry-api. Say: pip install 'pgqueue[otel]'"
    ) from error

from .application import Application
from .instruments import Outgoing, Run
from .metrics.reader import Labels, Reader
from .outcome import Dead, Failure, Retrying, describe

Attributes = dict[str, str | int]

SYSTEM = "messaging.system"
OPERATION = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
MESSAGE_ID = "messaging.message.id"
MESSAGE_COUNT = "messaging.batch.message_count"
CLIENT_ID = "messaging.client.id"
ERROR_TYPE = "error.type"
TASK, ATTEMPT, OUTCOME = "pgqueue.task.name", "pgqueue.job.attempt", "pgqueue.job.outcome"
OPERATION_DURATION = "messaging.client.operation.duration"
PROCESS_DURATION = "messaging.process.duration"
SENT, CONSUMED = "messaging.client.sent.messages", "messaging.client.consumed.messages"
WAIT, DEPTH, OLDEST_AGE = "pgqueue.job.wait", "pgqueue.queue.depth", "pgqueue.queue.oldest_age"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)
"""Of histograms, in seconds."""

_W3C = TraceContextTextMapPropagator()


def instrument(
    app: Application,
    *,
    trace_parent: bool = False,
    queues: bool = False,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Trace and measure whatever this application enqueues and runs. Say it once, in the module
    that declares the application, so that child processes have it, too.

    With `trace_parent` an attempt belongs to the trace of whoever enqueued the job, instead of
    being linked to it. With `queues` the database is asked for depth and age of its queues whenever
    metrics are collected, at most once in 15 seconds: say it in one process or a few.
    """
    tracer = trace.get_tracer("pgqueue", version("pgqueue"), tracer_provider)
    meter = metrics.get_meter("pgqueue", version("pgqueue"), meter_provider)
    app.instrument(OpenTelemetry(tracer, meter, trace_parent=trace_parent))
    if queues:
        _observe_queues(meter, lambda: app.dsn)


class OpenTelemetry:
    """The instrument."""

    def __init__(self, tracer: trace.Tracer, meter: Meter, *, trace_parent: bool) -> None:
        self._tracer = tracer
        self._trace_parent = trace_parent
        seconds = {"unit": "s", "explicit_bucket_boundaries_advisory": BOUNDS}
        self._operation = meter.create_histogram(OPERATION_DURATION, **seconds)  # type: ignore[arg-type]
        self._process = meter.create_histogram(PROCESS_DURATION, **seconds)  # type: ignore[arg-type]
        self._wait = meter.create_histogram(WAIT, **seconds)  # type: ignore[arg-type]
        self._sent = meter.create_counter(SENT, unit="{message}")
        self._consumed = meter.create_counter(CONSUMED, unit="{message}")

    @contextmanager
    def enqueueing(self, outgoing: Outgoing) -> Iterator[None]:
        """One span for all jobs of an enqueue; its context is what each of them carries."""
        common = _common("enqueue", "send", outgoing.queue)
        more: Attributes = {} if outgoing.task is None else {TASK: outgoing.task}
        if outgoing.count != 1:
            more[MESSAGE_COUNT] = outgoing.count
        name = f"enqueue {outgoing.queue}" if outgoing.queue else "enqueue"
        began = time.monotonic()
        try:
            with self._tracer.start_as_current_span(
                name, kind=SpanKind.PRODUCER, attributes={**common, **more}
            ) as span:
                _W3C.inject(outgoing.carrier)
                try:
                    yield
                except Exception as error:
                    common[ERROR_TYPE] = describe(error).error_type
                    span.set_attribute(ERROR_TYPE, common[ERROR_TYPE])
                    raise
                if outgoing.count == 1 and outgoing.ids:
                    span.set_attribute(MESSAGE_ID, str(outgoing.ids[0]))
        finally:
            self._operation.record(time.monotonic() - began, common)
            self._sent.add(outgoing.count, common)

    @contextmanager
    def running(self, run: Run) -> Iterator[None]:
        """One span for an attempt, whose trace begins here unless `trace_parent` says otherwise."""
        job = run.job
        creator = _W3C.extract(_carrier(run), context=Context())
        known = trace.get_current_span(creator).get_span_context()
        parent = creator if self._trace_parent else Context()
        links = [Link(known)] if known.is_valid and not self._trace_parent else None
        common = _common("process", "process", job.queue)
        own: Attributes = {
            **common,
            MESSAGE_ID: str(job.id),
            CLIENT_ID: run.worker,
            TASK: job.task,
            ATTEMPT: job.attempt,
        }
        self._wait.record(max(0.0, job.waited), common)
        self._consumed.add(1, common)
        began = time.monotonic()
        with self._tracer.start_as_current_span(
            f"process {job.queue}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=own,
            links=links,
        ) as span:
            if (ours := span.get_span_context()).is_valid:
                job.trace_id = trace.format_trace_id(ours.trace_id)
            yield
            common |= _conclude(span, run)
        self._process.record(time.monotonic() - began, common)

    def carry(self, carrier: dict[str, str]) -> None:
        _W3C.inject(carrier)

    @contextmanager
    def continuing(self, carrier: Mapping[str, str]) -> Iterator[None]:
        token = context.attach(_W3C.extract(carrier, context=Context()))
        try:
            yield
        finally:
            context.detach(token)


def _common(operation: str, kind: str, queue: str | None) -> Attributes:
    """What spans and metrics have both: nothing of which there could be many."""
    found: Attributes = {SYSTEM: "pgqueue", OPERATION: operation, OPERATION_TYPE: kind}
    return found if queue is None else {**found, DESTINATION: queue}


def _carrier(run: Run) -> dict[str, str]:
    """What the enqueuer sent along. Anybody may write meta, so anything may be in it."""
    if "traceparent" not in (run.job.meta_text or ""):
        return {}
    return {name: value for name, value in run.job.meta.items() if isinstance(value, str)}


def _conclude(span: Span, run: Run) -> Attributes:
    """Say on the span how the attempt ended; returns what the metrics say, too."""
    outcome = run.outcome
    name = type(outcome).__name__.lower()
    span.set_attribute(OUTCOME, name)
    if not isinstance(outcome, Dead | Retrying):
        return {OUTCOME: name}
    failure: Failure = outcome.failure
    span.set_attribute(ERROR_TYPE, failure.error_type)
    span.set_status(Status(StatusCode.ERROR, failure.error_type))
    told = {"exception.type": failure.error_type, "exception.message": failure.message}
    if failure.traceback is not None:
        told["exception.stacktrace"] = failure.traceback
    span.add_event("exception", told)
    return {OUTCOME: name, ERROR_TYPE: failure.error_type}


def _observe_queues(meter: Meter, dsn: Callable[[], str]) -> None:
    readers: list[Reader] = []

    def read(metric: str, wanted: Callable[[Labels], bool]) -> Iterator[Observation]:
        if not readers:  # only now: the application may be pointed elsewhere before it connects
            readers.append(Reader(dsn()))
        for labels, value in readers[0].read().get(metric, {}).items():
            if wanted(labels):
                yield Observation(value, {DESTINATION: labels[0]})

    def depth(_: CallbackOptions) -> Iterator[Observation]:
        return read("jobs", lambda labels: labels[1] == "queued")

    def oldest_age(_: CallbackOptions) -> Iterator[Observation]:
        return read("queue_oldest_ready_age_seconds", lambda labels: True)

    meter.create_observable_gauge(DEPTH, [depth], unit="{job}")
    meter.create_observable_gauge(OLDEST_AGE, [oldest_age], unit="s")
