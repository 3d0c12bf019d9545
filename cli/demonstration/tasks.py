"""The application of the demo: one task, which indexes a document and completes its own job.

A worker for it: pgqueue worker -A pgqueue.cli.demonstration.tasks:app
"""

from __future__ import annotations

import os
import time
from datetime import timedelta

from pgqueue import Fixed, PgQueue, current_job

from .counting import count

TABLES = """
CREATE TABLE document (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path    text NOT NULL,
    source  text NOT NULL,
    trouble text CHECK (trouble IN ('at first', 'always'))
);
-- No unique constraint: nothing but the queue keeps a document from being indexed twice.
CREATE TABLE document_index (
    document_id bigint NOT NULL,
    job_id      bigint NOT NULL,
    lines       integer NOT NULL,
    words       integer NOT NULL,
    names       integer
);
"""
DROP_TABLES = "DROP TABLE IF EXISTS document_index, document"
PAUSE = "PGQUEUE_DEMO_PAUSE"
"""Names the variable that slows each job down, in seconds, so that people can watch."""

app = PgQueue()


class BusyDisk(Exception):
    """Goes away by itself."""


class UnreadableDocument(Exception):
    """Does not go away."""


@app.task(max_attempts=3, retry=Fixed(timedelta(milliseconds=500)))
def index_document(document_id: int) -> None:
    """Count what is in a document, and write the result in the transaction that completes the
    job.
    """
    job = current_job()
    with app.connection() as connection:
        row = connection.execute(
            "SELECT source, trouble FROM document WHERE id = %s", [document_id]
        ).fetchone()
    assert row is not None, "the document was committed together with this job"
    source, trouble = row
    if trouble == "always":
        raise UnreadableDocument("on purpose: this document fails every time")
    if trouble == "at first" and job.attempt == 1:
        raise BusyDisk("on purpose: this document fails at the first attempt")
    counts = count(source)
    with app.connection() as connection:
        connection.execute(
            "INSERT INTO document_index (document_id, job_id, lines, words, names) "
            "VALUES (%s, %s, %s, %s, %s)",
            [document_id, job.id, *counts],
        )
        time.sleep(float(os.environ.get(PAUSE, "0")))
        job.complete(connection)
