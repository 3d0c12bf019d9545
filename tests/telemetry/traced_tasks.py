"""A traced application whose task runs in a child process, which writes its spans to a file."""

import os
from collections.abc import Sequence
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from pgqueue import PgQueue, otel


class FileExporter(SpanExporter):
    """A line for each span: name, trace, parent."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with Path(os.environ["SPANS"]).open("a") as file:
            for span in spans:
                parent = span.parent.span_id if span.parent else 0
                file.write(f"{span.name}\t{span.context.trace_id:032x}\t{parent:016x}\n")
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(FileExporter()))
app = PgQueue(os.environ["PGQUEUE_DSN"])
otel.instrument(app, tracer_provider=provider)


@app.task(run_in="process")
def in_child() -> str:
    with provider.get_tracer("test").start_as_current_span("inside"):
        return format(trace.get_current_span().get_span_context().trace_id, "032x")
