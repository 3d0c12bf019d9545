"""What `top` shows and does, without a screen: rows in, actions out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .queue_table import glance
from .recording import record
from .who import operator

if TYPE_CHECKING:
    import psycopg

    from .session import Session

    Row = dict[str, Any]

MOST = 100
RUNNING = """
SELECT j.id, j.task, j.queue, j.attempt, j.max_attempts, w.name AS worker,
       CAST(extract(epoch FROM now() - j.started_at) AS double precision) AS seconds
FROM pgqueue.job AS j LEFT JOIN pgqueue.worker AS w ON w.id = j.worker_id
WHERE j.lease IS NOT NULL
  AND (CAST(%(queues)s AS text[]) IS NULL OR j.queue = ANY(%(queues)s))
ORDER BY j.started_at LIMIT %(most)s
"""
FAILURES = """
SELECT f.id, f.job_id, f.task, f.queue, f.attempt, f.error_type || ': ' || f.message AS error,
       CAST(extract(epoch FROM now() - f.failed_at) AS double precision) AS seconds,
       coalesce(d.state, CASE WHEN j.id IS NULL THEN 'ended' WHEN j.lease IS NOT NULL
                              THEN 'running' ELSE 'retrying' END) AS state
FROM (SELECT * FROM pgqueue.failures AS f
      WHERE CAST(%(queues)s AS text[]) IS NULL OR f.queue = ANY(%(queues)s)
      ORDER BY f.id DESC LIMIT %(most)s) AS f
LEFT JOIN pgqueue.job AS j ON j.id = f.job_id
LEFT JOIN pgqueue.job_dead AS d ON d.id = f.job_id
ORDER BY f.id DESC
"""

PAUSE = "SELECT pgqueue.pause_queue(%s, %s, %s)"
RESUME = "SELECT pgqueue.resume_queue(%s) AS done"
RETRY = "SELECT pgqueue.retry(%s) AS done"


@dataclass(frozen=True)
class Picture:
    """The rows of one look."""

    queues: list[Row]
    running: list[Row]
    failures: list[Row]

    def only(self, text: str) -> Picture:
        """The rows in whose queue, task or error the text is."""

        def fits(row: Row) -> bool:
            words = (row.get("queue"), row.get("task"), row.get("error"), row.get("worker"))
            return any(text.lower() in str(word).lower() for word in words if word)

        return Picture(
            [row for row in self.queues if fits(row)],
            [row for row in self.running if fits(row)],
            [row for row in self.failures if fits(row)],
        )


class Board:
    """Looks and acts over one connection, each time in a transaction bounded by --timeout."""

    def __init__(
        self, session: Session, connection: psycopg.Connection[Row], queues: tuple[str, ...] = ()
    ) -> None:
        self._session = session
        self._connection = connection
        self._queues = queues

    def look(self) -> Picture:
        """How things are now."""
        given = {"queues": list(self._queues) or None, "most": MOST}
        with self._session.transaction(self._connection) as connection:
            return Picture(
                glance(connection, self._queues),
                connection.execute(RUNNING.encode(), given).fetchall(),
                connection.execute(FAILURES.encode(), given).fetchall(),
            )

    def pause(self, queue: str, reason: str | None) -> str:
        """Let no new job of the queue begin. Returns what to say."""
        with self._session.transaction(self._connection) as connection:
            connection.execute(PAUSE, [queue, reason, operator()])
            record(connection, "pause_queue", {"queue": queue}, reason=reason)
        return f"{queue} is paused; running jobs finish."

    def resume(self, queue: str) -> str:
        """The other way round."""
        done = self._act(RESUME, queue, "resume_queue", {"queue": queue})
        return f"{queue} goes on." if done else f"{queue} was not paused."

    def retry(self, job_id: int) -> str:
        """Run a dead or waiting job again now."""
        if self._act(RETRY, job_id, "retry", {"ids": [job_id]}, jobs=1):
            return f"#{job_id} runs again."
        return f"#{job_id} is neither dead nor waiting: nothing was done."

    def _act(
        self, query: str, what: object, action: str, target: Row, jobs: int | None = None
    ) -> bool:
        """Do it, and record it unless there was nothing to do."""
        with self._session.transaction(self._connection) as connection:
            row = connection.execute(query.encode(), [what]).fetchone()
            assert row is not None
            if row["done"]:
                record(connection, action, target, jobs=jobs)
        return bool(row["done"])
