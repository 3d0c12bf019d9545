"""Whoever writes a log record inside a job, the record says which job it was."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from pgqueue import PgQueue
from pgqueue.events import JobFinished, UnknownTaskSeen
from pgqueue.logs import JobFilter, add_job
from pgqueue.outcome import Succeeded
from pgqueue.worker.log import observer
from tests.support.jobs import Connection
from tests.support.working import all_ended, working

KEYS = {
    *("ts", "level", "event", "job_id", "task", "queue", "attempt", "max_attempts"),
    *("run_ms", "outcome", "worker"),
}


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What a library that knows nothing of jobs logs."""
    found: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Keeping()
    handler.addFilter(JobFilter())
    logger = logging.getLogger("some.library")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield found
    logger.removeHandler(handler)


async def test_records_say_which_job_it_was(
    app: PgQueue, connection: Connection, records: list[logging.LogRecord]
) -> None:
    log = logging.getLogger("some.library")

    @app.task(queue="email")
    def in_thread() -> None:
        log.info("from a thread")

    @app.task(queue="email")
    async def on_loop() -> None:
        log.info("from the loop", extra={"queue": "its own"})

    first, second = in_thread.enqueue(connection), on_loop.enqueue(connection)
    log.info("outside")
    async with working(app, queues={"email": None}):
        await all_ended(connection)
    said = {record.getMessage(): record for record in records}
    inside = said["from a thread"]
    fields = [getattr(inside, name) for name in ("job_id", "task", "queue", "attempt", "trace_id")]
    assert fields == [first.id, "in_thread", "email", 1, None]
    assert said["from the loop"].job_id == second.id
    assert said["from the loop"].queue == "its own"
    assert said["outside"].job_id is None


async def test_the_processor_of_structlog(app: PgQueue, connection: Connection) -> None:
    found: list[object] = []

    @app.task
    def works() -> None:
        found.append(add_job(None, "info", {"event": "hello", "task": "its own"}))

    job = works.enqueue(connection)
    assert add_job(None, "info", {"event": "outside"}) == {"event": "outside"}
    async with working(app):
        await all_ended(connection)
    assert found == [
        {"event": "hello", "task": "its own", "job_id": job.id, "queue": "default", "attempt": 1}
    ]


@pytest.mark.parametrize("trace_id", [None, "0af7651916cd43dd8448eb211c80319c"])
def test_the_lines_of_a_worker_have_their_keys(trace_id: str | None) -> None:
    stream = io.StringIO()
    tell = observer("json", stream=stream)
    tell(JobFinished("w", 1, "t", "q", 1, 3, 0.5, Succeeded(), trace_id))
    line = json.loads(stream.getvalue())
    assert set(line) == (KEYS if trace_id is None else {*KEYS, "trace_id"})
    assert line.get("trace_id") == trace_id


def test_an_unknown_task_may_stand_in_a_module_that_is_not_imported() -> None:
    stream = io.StringIO()
    observer("text", stream=stream)(UnknownTaskSeen("w", "mail", "q"))
    told = "queue q has jobs of the unknown task mail; they are left to other workers. "
    assert stream.getvalue().endswith(f"{told}Is its module imported?\n")
