"""Traces lead from a request to what its job does in the database, on every road in."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa
import sqlalchemy.ext.asyncio as sa_async
import sqlalchemy.orm as sa_orm
import uvicorn
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pgqueue import PgQueue, Snooze, UsageError, current_job, otel
from pgqueue.events import JobFinished
from tests.support.http import free_port
from tests.support.jobs import Connection, enqueue, row, value
from tests.support.process import worker_processes
from tests.support.waiting import eventually
from tests.support.working import Events, all_ended, soon, working

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Telemetry:
    """An SDK of our own, so that nothing is left behind in the process."""

    def __init__(self) -> None:
        self.provider = TracerProvider()
        self._spans = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])
        self.tracer = self.provider.get_tracer("test")

    def instrument(self, app: PgQueue, **options: Any) -> None:
        otel.instrument(app, tracer_provider=self.provider, meter_provider=self.meters, **options)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._spans.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        (only,) = self.spans(name)
        return only

    def points(self, name: str) -> list[Any]:
        """The data points of a metric."""
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    found = Telemetry()
    yield found
    found.provider.shutdown()
    found.meters.shutdown()


def ids(span: ReadableSpan) -> tuple[int, int]:
    return span.context.trace_id, span.context.span_id


def parent(span: ReadableSpan) -> tuple[int, int]:
    assert span.parent is not None
    return span.parent.trace_id, span.parent.span_id


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def orders(app: PgQueue, dsn: str, telemetry: Telemetry) -> Starlette:
    """A small shop: a request inserts an order and enqueues its shipment in one transaction."""
    engine = sa_async.create_async_engine(
        dsn.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool
    )

    @app.task(queue="ship")
    def ship(order: int) -> None:
        with (
            telemetry.tracer.start_as_current_span("INSERT shipment", kind=SpanKind.CLIENT),
            psycopg.connect(dsn) as connection,
        ):
            connection.execute("INSERT INTO shipment VALUES (%s)", [order])

    async def place(request: Request) -> JSONResponse:
        with telemetry.tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER):
            async with sa_async.AsyncSession(engine) as session, session.begin():
                await session.execute(sa.text("INSERT INTO orders VALUES (7)"))
                job = await ship.enqueue(session, 7)
        return JSONResponse({"job": job.id})

    return Starlette(routes=[Route("/orders", place, methods=["POST"])])


async def post(shop: Starlette, path: str) -> Any:
    """A real request to a real server."""
    port = free_port()
    config = uvicorn.Config(shop, port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await soon(lambda: server.started)
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}{path}")
    server.should_exit = True
    await serving
    return answer.json()


@pytest.mark.parametrize("trace_parent", [False, True])
async def test_from_a_request_to_the_row_that_its_job_writes(
    app: PgQueue, dsn: str, connection: Connection, telemetry: Telemetry, trace_parent: bool
) -> None:
    connection.execute("CREATE TABLE orders (id int)")
    connection.execute("CREATE TABLE shipment (id int)")
    telemetry.instrument(app, trace_parent=trace_parent)
    job = (await post(orders(app, dsn, telemetry), "/orders"))["job"]
    async with working(app, queues={"ship": None}, name="w1"):
        await all_ended(connection)
    assert value(connection, "SELECT id FROM shipment") == 7

    request, enqueued = telemetry.span("POST /orders"), telemetry.span("enqueue ship")
    process, insert = telemetry.span("process ship"), telemetry.span("INSERT shipment")
    assert parent(enqueued) == ids(request)
    assert parent(insert) == ids(process)
    if trace_parent:
        assert parent(process) == ids(enqueued)
        assert links(process) == []
        assert insert.context.trace_id == request.context.trace_id
    else:
        assert process.parent is None
        assert links(process) == [ids(enqueued)]
    assert (enqueued.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    common = {"messaging.system": "pgqueue", "messaging.destination.name": "ship"}
    own = {"messaging.message.id": str(job), "pgqueue.task.name": "ship"}
    assert dict(enqueued.attributes or {}) == {
        **common,
        **own,
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
    }
    assert dict(process.attributes or {}) == {
        **common,
        **own,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.client.id": "w1",
        "pgqueue.job.attempt": 1,
        "pgqueue.job.outcome": "succeeded",
    }


def roads() -> dict[str, Callable[[PgQueue, Any, str], Any]]:
    """Every way to enqueue one job."""

    def session(app: PgQueue, task: Any, dsn: str) -> Any:
        engine = sa.create_engine(dsn.replace("postgresql:", "postgresql+psycopg:"))
        try:
            with sa_orm.Session(engine) as session, session.begin():
                task.enqueue(session)
        finally:
            engine.dispose()

    def psycopg_connection(app: PgQueue, task: Any, dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            task.enqueue(connection)

    async def psycopg_async(app: PgQueue, task: Any, dsn: str) -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await task.enqueue(connection)

    def many(app: PgQueue, task: Any, dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            app.enqueue_many(connection, [task.job(), task.using(meta={"k": 1}).job()])

    async def many_async(app: PgQueue, task: Any, dsn: str) -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await app.enqueue_many(connection, [task.job(), task.using(meta={"k": 1}).job()])

    return {
        "session": session,
        "psycopg": psycopg_connection,
        "psycopg async": psycopg_async,
        "now": lambda app, task, dsn: task.enqueue_now(),
        "now async": lambda app, task, dsn: task.enqueue_now_async(),
        "with flow": lambda app, task, dsn: task.using(order_key="k").enqueue_now(),
        "many": many,
        "many async": many_async,
    }


@pytest.mark.parametrize("road", roads())
async def test_every_road_carries_the_context(
    app: PgQueue, dsn: str, connection: Connection, telemetry: Telemetry, road: str
) -> None:
    telemetry.instrument(app)

    @app.task
    async def works() -> None: ...

    answer = roads()[road](app, works, dsn)
    if answer is not None and hasattr(answer, "__await__"):
        await answer
    async with working(app):
        await all_ended(connection)
    enqueued = telemetry.span("enqueue default")
    attempts = telemetry.spans("process default")
    assert [links(span) for span in attempts] == [[ids(enqueued)]] * len(attempts)
    assert len(attempts) == (2 if road.startswith("many") else 1)
    assert (enqueued.attributes or {}).get("messaging.batch.message_count") == (
        2 if road.startswith("many") else None
    )
    assert sum(point.value for point in telemetry.points(otel.SENT)) == len(attempts)
    kept = [entry["meta"] for entry in _metas(connection)]
    assert all("traceparent" in meta for meta in kept)
    assert [meta["k"] for meta in kept if "k" in meta] == ([1] if len(kept) == 2 else [])


def _metas(connection: Connection) -> list[dict[str, Any]]:
    return [
        {"meta": meta} for (meta,) in connection.execute("SELECT meta FROM pgqueue.jobs").fetchall()
    ]


@pytest.mark.parametrize(
    ("meta", "linked"),
    [
        ({"traceparent": TRACEPARENT}, True),
        ({"traceparent": "nonsense"}, False),
        ({"traceparent": {"a": [1]}}, False),
        ({"traceparent": None, "tracestate": 5}, False),
        ({}, False),
    ],
)
async def test_sql_may_say_the_context_or_anything(
    app: PgQueue, connection: Connection, telemetry: Telemetry, meta: dict[str, Any], linked: bool
) -> None:
    telemetry.instrument(app)

    @app.task
    async def works() -> None: ...

    enqueue(connection, "works", meta=meta)
    async with working(app):
        await all_ended(connection)
    (_, trace_id, span_id, _) = TRACEPARENT.split("-")
    expected = [(int(trace_id, 16), int(span_id, 16))] if linked else []
    assert links(telemetry.span("process default")) == expected


async def test_what_the_enqueuer_said_stays(
    app: PgQueue, connection: Connection, telemetry: Telemetry
) -> None:
    telemetry.instrument(app)

    @app.task
    async def works() -> None: ...

    job = works.using(meta={"traceparent": TRACEPARENT, "k": [1]}).enqueue(connection)
    meta = row(connection, "SELECT meta FROM pgqueue.jobs WHERE id = %s", job.id)["meta"]
    assert meta == {"traceparent": TRACEPARENT, "k": [1]}


async def test_how_attempts_end(app: PgQueue, connection: Connection, telemetry: Telemetry) -> None:
    events = Events()
    app.observer(events)
    telemetry.instrument(app)
    seen: list[str | None] = []

    @app.task(max_attempts=1)
    async def fails() -> None:
        seen.append(current_job().trace_id)
        raise KeyError("no")

    @app.task
    def snoozes() -> None:
        if value_of_attempt["first"]:
            value_of_attempt["first"] = False
            raise Snooze(0.01)
        with telemetry.tracer.start_as_current_span("in thread"):
            pass

    value_of_attempt = {"first": True}
    fails.enqueue(connection)
    snoozes.using(queue="other").enqueue(connection)
    async with working(app, queues={"default": None, "other": None}):
        await all_ended(connection)
    dead = telemetry.span("process default")
    attributes = dead.attributes or {}
    assert attributes["pgqueue.job.outcome"] == "dead"
    assert attributes["error.type"] == "KeyError"
    assert dead.status.status_code == StatusCode.ERROR
    (told,) = dead.events
    assert (told.attributes or {})["exception.type"] == "KeyError"
    snoozed, done = telemetry.spans("process other")
    assert (snoozed.attributes or {})["pgqueue.job.outcome"] == "snoozed"
    assert snoozed.status.status_code == StatusCode.UNSET
    assert parent(telemetry.span("in thread")) == ids(done)
    (finished,) = [e for e in events.of(JobFinished) if e.task == "fails"]
    assert seen == [finished.trace_id] == [format(dead.context.trace_id, "032x")]
    durations = {
        point.attributes["pgqueue.job.outcome"]: point
        for point in telemetry.points(otel.PROCESS_DURATION)
    }
    assert set(durations) == {"dead", "snoozed", "succeeded"}
    assert durations["dead"].attributes["error.type"] == "KeyError"
    assert sum(point.value for point in telemetry.points(otel.CONSUMED)) == 3
    assert sum(point.count for point in telemetry.points(otel.WAIT)) == 3


async def test_an_enqueue_that_fails_says_so(
    app: PgQueue, connection: Connection, telemetry: Telemetry
) -> None:
    telemetry.instrument(app)

    @app.task
    async def works() -> None: ...

    connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        works.enqueue(connection)
    span = telemetry.span("enqueue default")
    assert (span.attributes or {})["error.type"] == "psycopg.errors.ReadOnlySqlTransaction"
    assert span.status.status_code == StatusCode.ERROR


async def test_queues_are_observed_where_asked(
    app: PgQueue, connection: Connection, telemetry: Telemetry
) -> None:
    telemetry.instrument(app, queues=True)
    enqueue(connection, queue="email")
    (depth,) = [
        point
        for point in telemetry.points(otel.DEPTH)
        if point.attributes["messaging.destination.name"] == "email"
    ]
    assert depth.value == 1
    assert len(telemetry.points(otel.OLDEST_AGE)) == 2


def test_a_child_process_goes_on_with_the_trace(
    dsn: str, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = tmp_path / "spans"
    monkeypatch.setenv("SPANS", str(spans))
    with worker_processes("tests.telemetry.traced_tasks:app", dsn, tmp_path) as start:
        start()
        id = enqueue(connection, "in_child")
        query = "SELECT result FROM pgqueue.jobs WHERE id = %s AND state = 'succeeded'"
        (result,) = eventually(lambda: connection.execute(query, [id]).fetchall())[0]
        lines = eventually(lambda: _two_lines(spans))
    found = {name: (trace_id, above) for name, trace_id, above in lines}
    assert found["inside"][0] == found["process default"][0] == result
    assert found["process default"][1] == "0" * 16
    assert found["inside"][1] != "0" * 16


def _two_lines(path: Path) -> list[list[str]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split("\t") for line in lines] if len(lines) == 2 else []


async def test_what_breaks_in_an_instrument_costs_no_job(
    app: PgQueue, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(f"broken {name}")

    app.instrument(Broken())

    @app.task
    async def works() -> None: ...

    works.enqueue(connection)
    app.enqueue_many(connection, [works.job()])
    async with working(app):
        await all_ended(connection)
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") == 2
    assert caplog.text.count("broken enqueueing") == 2
    assert caplog.text.count("broken running") == 2


async def test_one_instrument_of_a_kind(app: PgQueue) -> None:
    otel.instrument(app)
    with pytest.raises(UsageError, match="has OpenTelemetry already"):
        otel.instrument(app)


async def test_without_an_sdk_nothing_is_sent_along(app: PgQueue, connection: Connection) -> None:
    assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
    otel.instrument(app)
    done = threading.Event()

    @app.task
    def works() -> None:
        done.set()

    works.enqueue(connection)
    async with working(app):
        await all_ended(connection)
    assert done.is_set()
    assert value(connection, "SELECT meta FROM pgqueue.jobs") is None


def test_who_does_not_ask_for_it_imports_nothing_of_it() -> None:
    """Neither of the optional packages, whatever part of the library is used."""
    program = (
        "import sys, pgqueue.app, pgqueue.worker.process, pgqueue.cli.worker, pgqueue.logs\n"
        "found = {'opentelemetry', 'sentry_sdk', 'prometheus_client'} & set(sys.modules)\n"
        "sys.exit(f'imported: {found}' if found else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
