"""Measure one thing of one peer, each time in a fresh database."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg

from .child import PATIENCE, Child, start_together
from .databases import Databases
from .peer import load

SECONDS = 1.5
POLL = 0.02
WARM_UP = 20
STARTS = 100
SETTLE = 1.5
PINNED = 10.0


@dataclass(frozen=True)
class Drained:
    bulk: float
    """Jobs per second at which the queue was filled, by the peer's API for batches."""

    rate: float
    """Jobs per second, from the first start of a handler until none is unfinished."""

    wal: float
    """Bytes of WAL per job, the worker's whole share."""


@dataclass(frozen=True)
class Waited:
    """Milliseconds: of jobs 20 to 60 ms apart, and of jobs half a second apart."""

    brisk: float
    brisk_p99: float
    calm: float


def enqueue(databases: Databases, name: str, connections: int) -> float:
    """Jobs enqueued and committed one by one in a second, one process for each connection."""
    dsn = databases.fresh(name)
    with ExitStack() as stack:
        command = ("produce", name, dsn, "tuned", "one", str(SECONDS))
        children = [stack.enter_context(Child(*command)) for _ in range(connections)]
        start_together(children)
        answers = [child.line() for child in children]
    return sum(float(answer["jobs"]) / float(answer["seconds"]) for answer in answers)


def drain(databases: Databases, name: str, jobs: int, settings: str, workers: int = 1) -> Drained:
    dsn = databases.fresh(name)
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        bulk = _fill(connection, name, dsn, jobs, settings)
        command = ("work", name, dsn, settings)
        children = [stack.enter_context(Child(*command)) for _ in range(workers)]
        before = _wal(connection)
        start_together(children)
        end = _wait_until_finished(connection, name, jobs)
        wal = _wal(connection) - before
        starts = [line["at"] for child in children for line in child.lines()]
        _check_succeeded(connection, name, jobs)
    if not starts:
        raise RuntimeError(f"{name}: all is finished and no handler has said that it started")
    return Drained(bulk, jobs / (end - min(starts)), wal / jobs)


def latency(databases: Databases, name: str) -> Waited:
    """From a commit's return to the handler's start, with a worker that has nothing else to do."""
    dsn = databases.fresh(name)
    with ExitStack() as stack:
        worker = stack.enter_context(Child("work", name, dsn, "tuned", say="every"))
        command = ("produce", name, dsn, "tuned", "spaced", str(WARM_UP + STARTS))
        producer = stack.enter_context(Child(*command))
        start_together([worker])
        time.sleep(SETTLE)
        start_together([producer])
        committed = producer.line()["committed"]
        lines = [worker.line() for _ in committed]
    began = {line["number"]: line["at"] for line in lines}
    waited = {int(number): 1000 * (began[int(number)] - at) for number, at in committed.items()}
    brisk = [waited[number] for number in range(WARM_UP + 1, WARM_UP + STARTS + 1)]
    calm = [waited[number] for number in range(WARM_UP + STARTS + 1, len(committed) + 1)]
    return Waited(
        statistics.median(brisk), statistics.quantiles(brisk, n=100)[98], statistics.median(calm)
    )


def pinned(databases: Databases, name: str, jobs: int, seconds: float) -> float:
    """With an old snapshot held: starts in the last ten seconds, in ratio to the first ten."""
    dsn = databases.fresh(name)
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        _fill(connection, name, dsn, jobs, "tuned")
        pin = stack.enter_context(psycopg.connect(dsn))
        pin.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        pin.execute("SELECT count(*) FROM pg_class")
        worker = stack.enter_context(Child("work", name, dsn, "tuned", say="rate"))
        start_together([worker])
        first = worker.line()["at"]
        time.sleep(max(0.0, first + seconds + 1 - time.monotonic()))
        seen = [(line["at"] - first, line["started"]) for line in worker.lines()]
    early = [point for point in seen if point[0] <= PINNED]
    late = [point for point in seen if seconds - PINNED <= point[0] <= seconds]
    if len(early) < 2 or len(late) < 2:
        raise RuntimeError(f"{name}: the queue was empty before {seconds:g} s were over")
    return _slope(late) / _slope(early)


def _slope(points: list[tuple[float, int]]) -> float:
    (began, before), (ended, after) = points[0], points[-1]
    return (after - before) / (ended - began)


def _fill(connection: psycopg.Connection, name: str, dsn: str, jobs: int, settings: str) -> float:
    """Jobs per second. The checkpoint comes first, so that the drain logs few whole pages."""
    connection.execute("CHECKPOINT")
    with Child("produce", name, dsn, settings, "many", str(jobs)) as producer:
        start_together([producer])
        answer = producer.line()
    connection.execute("VACUUM ANALYZE")
    return float(answer["jobs"]) / float(answer["seconds"])


def _wait_until_finished(connection: psycopg.Connection, name: str, jobs: int) -> float:
    """When that was, within a poll."""
    question = load(name).all_finished
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        row = connection.execute(question, {"jobs": jobs}).fetchone()
        if row and row[0]:
            return time.monotonic()
        time.sleep(POLL)
    raise RuntimeError(f"{name} has not finished {jobs} jobs within {PATIENCE:g} s")


def _check_succeeded(connection: psycopg.Connection, name: str, jobs: int) -> None:
    row = connection.execute(load(name).succeeded).fetchone()
    if row is None or row[0] != jobs:
        raise RuntimeError(f"{name}: {row and row[0]} of {jobs} jobs have succeeded")


def _wal(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])
