"""The application whose workers the faults hit. Every handler tells the oracle what it did."""

import asyncio
import contextlib
import os
import signal
import time
from datetime import timedelta

import psycopg

from pgqueue import Fixed, PgQueue, RunningJob, Snooze, current_job

app = PgQueue(os.environ.get("PGQUEUE_DSN"))
SOON = Fixed(timedelta(milliseconds=50))
DIRECT = os.environ.get("ORACLE_DSN") or os.environ.get("PGQUEUE_DSN", "")
"""Where handlers connect to, when workers go through a proxy."""


def _record(job: RunningJob, table: str) -> tuple[str, list[int]]:
    query = f"INSERT INTO oracle.{table} (job_id, attempt, lease, pid) VALUES (%s, %s, %s, %s)"
    return query, [job.id, job.attempt, job.lease, os.getpid()]


def _start(job: RunningJob) -> None:
    with psycopg.connect(DIRECT, autocommit=True, application_name="handler") as connection:
        connection.execute(*_record(job, "start"))


@app.task(retry=SOON)
async def effect(seconds: float = 0.0) -> None:
    """An effect in the completion transaction."""
    job = current_job()
    connection = await psycopg.AsyncConnection.connect(DIRECT, application_name="pgqueue handler")
    async with connection:
        await connection.execute(*_record(job, "effect"))
        await asyncio.sleep(seconds)
        await job.complete(connection)


@app.task(retry=SOON)
def effect_in_thread(seconds: float = 0.0) -> None:
    """The same in a thread, with its start recorded."""
    job = current_job()
    _start(job)
    time.sleep(seconds)
    with psycopg.connect(DIRECT, application_name="pgqueue handler") as connection:
        connection.execute(*_record(job, "effect"))
        job.complete(connection)


@app.task(retry=SOON)
def flaky(seconds: float = 0.0, fails: int = 0) -> None:
    """The same after so many failures."""
    if current_job().attempt <= fails:
        _start(current_job())
        raise ValueError("not yet")
    effect_in_thread(seconds)


@app.task(retry=SOON)
async def plain(seconds: float = 0.0) -> int:
    """A success that the worker writes down."""
    await asyncio.sleep(seconds)
    return current_job().attempt


@app.task(retry=SOON)
def sleepy(seconds: float, ending: str) -> int:
    """Its first attempt starts, sleeps, and then ends as it is told; later ones succeed at once."""
    job = current_job()
    _start(job)
    if job.attempt > 1:
        return job.attempt
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)
    match ending:
        case "retry":
            raise ValueError("of the zombie")
        case "snooze":
            raise Snooze(seconds=0)
        case "progress":
            job.progress(1, checkpoint={"by": "the zombie"})
        case "complete":
            with psycopg.connect(DIRECT) as connection:
                connection.execute(*_record(job, "effect"))
                job.complete(connection, result=-1)
    return -1


@app.task(max_attempts=3)
def poison() -> None:
    """Kills the worker that runs it."""
    _start(current_job())
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
async def swallows() -> None:
    """Does not let itself be cancelled."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


@app.task
def sleeps(seconds: float) -> None:
    """Holds its thread, whatever happens."""
    time.sleep(seconds)


@app.task
async def blocks() -> None:
    """Holds up the event loop until the oracle has an effect of another job."""
    _start(current_job())
    with psycopg.connect(DIRECT, autocommit=True, application_name="handler") as connection:
        while not connection.execute("SELECT FROM oracle.effect").rowcount:
            time.sleep(0.02)


@app.task(run_in="process")
def in_child(seconds: float) -> int:
    """Sleeps in a child process."""
    time.sleep(seconds)
    return os.getpid()
