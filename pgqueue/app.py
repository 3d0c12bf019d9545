"""The application as its users hold it: what it declares, and the workers that run it."""

from __future__ import annotations

from typing import Any

from .application import Application
from .settings import WorkerSettings
from .worker import Worker, run


class PgQueue(Application):
    """An application of pgqueue: its tasks, its database, its workers.

    `dsn` is a libpq URL or key=value string; without one, libpq's own PG* variables and defaults
    hold. It is used by workers, by `enqueue_now`, and by job handles without a connection;
    `task.enqueue` uses the connection that you pass.
    """

    def worker(self, **settings: Any) -> Worker:
        """A worker for your own event loop: `async with app.worker(queues={"default": 5}): …`.

        Takes the fields of `WorkerSettings`. Leaving the block lets running jobs finish.
        """
        return Worker(self, WorkerSettings(**settings))

    def run_worker(self, **settings: Any) -> int:
        """Run a worker until SIGTERM or SIGINT. Returns 0 when it stopped as asked."""
        return run(self, WorkerSettings(**settings))
