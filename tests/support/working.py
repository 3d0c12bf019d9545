"""Workers inside the test's own process, and waiting for what they do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg

from pgqueue import PgQueue, Worker
from pgqueue.events import Event, JobFinished, JobStarted
from pgqueue.handle import Job
from pgqueue.worker.parts import Parts
from tests.support.jobs import rows, state, value, values

T = TypeVar("T")
E = TypeVar("E")

HOLDERS = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND classid = 7077 AND mode = 'ExclusiveLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
QUICK: dict[str, Any] = {"heartbeat": 0.5, "lease": 1.5, "grace": 10.0}
"""Settings under which crashes are noticed within two seconds."""


class Events(list[Event]):
    """An observer that remembers."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for event in self if isinstance(event, kind)]

    def started(self, task: str | None = None) -> list[int]:
        """The ids of the jobs that were started, in order."""
        return [e.job_id for e in self.of(JobStarted) if task in (None, e.task)]

    def finished(self, task: str | None = None) -> list[int]:
        """The ids of the jobs whose attempt ended, in order."""
        return [e.job_id for e in self.of(JobFinished) if task in (None, e.task)]


def working(app: PgQueue, **settings: Any) -> Worker:
    """A worker of the application that notices crashes quickly."""
    return app.worker(**{**QUICK, **settings})


@asynccontextmanager
async def application(dsn: str) -> AsyncIterator[PgQueue]:
    """An application for the length of the block; its connections are closed afterwards."""
    app = PgQueue(dsn)
    try:
        yield app
    finally:
        await app.close_async()
        app.close()


def parts(worker: Worker) -> Parts:
    """What a worker that has started consists of."""
    assert worker._parts is not None, f"worker {worker.name} has not started"
    return worker._parts


def asleep(worker: Worker) -> bool:
    """Whether the worker sleeps until a bell rings."""
    parts = worker._parts
    return parts is not None and parts._feeder.asleep


def bell_holders(connection: psycopg.Connection[Any]) -> list[str]:
    """Whose connections hold a bell, each once for every queue."""
    return values(connection, HOLDERS)


async def soon(condition: Callable[[], T], *, what: str = "", within: float = 20.0) -> T:
    """Ask until the answer is true, and return it; the event loop goes on meanwhile."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened within {within:g} s: {what or condition}")
        await asyncio.sleep(0.01)
    return answer


async def become(
    connection: psycopg.Connection[Any], job: Job[Any] | int, wanted: str, *, within: float = 20.0
) -> None:
    """Wait until the job is in this state."""
    id = job if isinstance(job, int) else job.id
    try:
        await soon(lambda: state(connection, id) == wanted, within=within)
    except AssertionError:
        found = rows(connection, "SELECT * FROM pgqueue.jobs WHERE id = %s", id)
        failures = rows(connection, "SELECT * FROM pgqueue.failures WHERE job_id = %s", id)
        raise AssertionError(f"job {id} is not {wanted}: {found} {failures}") from None


async def all_ended(
    connection: psycopg.Connection[Any], *, task: str | None = None, within: float = 30.0
) -> None:
    """Wait until no job (of this task) is live any more."""
    query = "SELECT count(*) FROM pgqueue.job WHERE task = coalesce(%s, task)"
    await soon(lambda: value(connection, query, task) == 0, what="all jobs ended", within=within)
