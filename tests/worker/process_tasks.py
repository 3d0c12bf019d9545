"""Tasks for child processes: they have to stand in a module that the child can import."""

import os
import signal
import time
from datetime import UTC, datetime, timedelta

import psycopg

from pgqueue import Cancel, Fixed, PgQueue, Snooze, current_job

app = PgQueue()
AT_ONCE = Fixed(timedelta(0))


@app.task(run_in="process")
def pid_of(number: int) -> list[int]:
    return [number, os.getpid()]


@app.task(run_in="process", max_attempts=1)
def fails() -> None:
    raise ValueError("from a child")


@app.task(run_in="process", max_attempts=1)
def dies(number: int) -> None:
    os.kill(os.getpid(), number)


@app.task(run_in="process", max_attempts=1)
def leaves() -> None:
    os._exit(7)


@app.task(run_in="process", max_attempts=1)
def exits() -> None:
    raise SystemExit(3)


@app.task(run_in="process", max_attempts=1)
def sleeps(seconds: float, path: str = "") -> None:
    if path:
        with open(path, "a") as file:
            file.write(f"{os.getpid()}\n")
    time.sleep(seconds)


@app.task(run_in="process", retry=AT_ONCE)
def steps() -> list[int]:
    job = current_job()
    done: list[int] = job.checkpoint.get("done", [])
    job.progress(len(done), 3, checkpoint={"done": [*done, job.attempt]})
    if len(done) == 0:
        raise ValueError("at first")
    if len(done) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    found: list[int] = job.checkpoint["done"]
    return found


@app.task(run_in="process")
def signals(name: str) -> None:
    if name == "cancel":
        raise Cancel("not wanted")
    if not current_job().checkpoint:
        current_job().progress(1, checkpoint={"snoozed": True})
        raise Snooze(seconds=0.05)


@app.task(run_in="process", max_attempts=2, retry=AT_ONCE)
def completes(dsn: str, ending: str) -> None:
    """Completes itself in a transaction of its own, and ends in one of several ways."""
    job = current_job()
    with psycopg.connect(dsn, autocommit=True) as connection, connection.transaction():
        connection.execute("INSERT INTO business (job_id) VALUES (%s)", [job.id])
        job.complete(connection, result=None)
        if ending == "raise before" and job.attempt == 1:
            raise ValueError("before the commit")
        if ending == "rollback" and job.attempt == 1:
            raise psycopg.Rollback
    if ending == "linger":
        time.sleep(1.5)
    if ending == "raise after":
        raise ValueError("after the commit")
    if ending == "die after":
        os.kill(os.getpid(), signal.SIGKILL)


@app.task
async def here() -> int:
    return os.getpid()


@app.task(run_in="process", max_attempts=1)
def deadline() -> list[float | None]:
    job = current_job()
    if job.timeout is None or job.deadline is None:
        return [None, None]
    left = job.deadline - datetime.now(UTC)
    return [job.timeout.total_seconds(), left.total_seconds()]
