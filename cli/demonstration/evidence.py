"""What the database says in the end, read through the views and the demo's own tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from .counting import Counts

JOBS = "SELECT id, state, attempt, worker_id, reason FROM pgqueue.jobs"
FAILURES = "SELECT job_id, attempt, error_type, worker_id, failed_at FROM pgqueue.failures"
RESULTS = "SELECT document_id, job_id, lines, words, names FROM document_index"
DOCUMENTS = "SELECT id FROM document"


@dataclass(frozen=True, slots=True)
class JobRow:
    id: int
    state: str
    attempt: int
    worker_id: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class FailureRow:
    job_id: int
    attempt: int
    error_type: str
    worker_id: int | None
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    document_id: int
    job_id: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything there is, and nothing that the demo remembers by itself."""

    documents: frozenset[int]
    jobs: dict[int, JobRow]
    failures: list[FailureRow]
    results: list[Result]


def read_evidence(connection: psycopg.Connection[Any]) -> Evidence:
    """Read all of it in the connection's transaction."""
    jobs = [JobRow(*row) for row in connection.execute(JOBS)]
    return Evidence(
        documents=frozenset(row[0] for row in connection.execute(DOCUMENTS)),
        jobs={job.id: job for job in jobs},
        failures=[FailureRow(*row) for row in connection.execute(FAILURES)],
        results=[Result(row[0], row[1], Counts(*row[2:])) for row in connection.execute(RESULTS)],
    )
