"""Commits documents together with their jobs, and remembers what it committed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from .plan import Planned
from .tasks import index_document


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction: the document and the job that it made."""

    planned: Planned
    document_id: int
    job_id: int


@dataclass(slots=True)
class Ledger:
    """What the producer knows by itself, without asking the database."""

    committed: list[Entry] = field(default_factory=list)
    rolled_back: list[Entry] = field(default_factory=list)


class Producer:
    """Writes the plan to the database, one transaction for each document."""

    def __init__(self, dsn: str, planned: Sequence[Planned]) -> None:
        self._dsn, self._planned = dsn, planned
        self._stopping = threading.Event()
        self.ledger = Ledger()

    def stop(self) -> None:
        """End after the current transaction."""
        self._stopping.set()

    def run(self) -> Ledger:
        """Raises psycopg.Error."""
        with psycopg.connect(self._dsn, application_name="pgqueue demo producer") as connection:
            for planned in self._planned:
                if self._stopping.is_set():
                    break
                entry = self._write(connection, planned)
                if planned.is_rolled_back:
                    connection.rollback()
                    self.ledger.rolled_back.append(entry)
                else:
                    connection.commit()
                    self.ledger.committed.append(entry)
        return self.ledger

    def _write(self, connection: psycopg.Connection[tuple[int]], planned: Planned) -> Entry:
        """The row and its job, in the transaction of the connection."""
        row = connection.execute(
            "INSERT INTO document (path, source, trouble) VALUES (%s, %s, %s) RETURNING id",
            [
                planned.document.path,
                planned.document.text,
                planned.trouble.value if planned.trouble else None,
            ],
        ).fetchone()
        assert row is not None
        job = index_document.enqueue(connection, row[0])
        return Entry(planned, row[0], job.id)
