"""The application as its users hold it: what it declares, and the workers that run it."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from datetime import timedelta
from typing import Unpack
from uuid import UUID

import psycopg

from .application import Application
from .database.link import connection_string
from .errors import InvalidOption
from .limit import LimitHandle
from .place import Keeper
from .settings import WorkerOptions, WorkerSettings
from .worker import Worker, run


class PgQueue(Application):
    """An application of pgqueue: its tasks, its database, its workers.

    `dsn` is a libpq URL or key=value string; without one, libpq's own PG* variables and defaults
    hold. It is used by workers, by `enqueue_now`, and by job handles without a connection;
    `task.enqueue` uses the connection that you pass. `limits` are set by each worker that starts,
    unless an operator has set others. `redact` are paths into the arguments of any task, "*.token",
    whose values nobody is shown.
    """

    @functools.cached_property
    def _keeper(self) -> Keeper:
        return Keeper(lambda: self.dsn)

    def limit(
        self,
        name: str,
        *,
        key: str | int | UUID | None = None,
        weight: int = 1,
        timeout: timedelta | float | None = None,
        lease: timedelta | float = 30.0,
    ) -> LimitHandle:
        """A limit by its name, or one key of it: change it, look at it, or take a place under it.

        `async with app.limit("stripe"): …`, or `with`, waits for a place as long as it takes, or
        raises LimitFull after `timeout`. `weight` is what it takes of a rate. The place is kept
        whatever the block does, and free `lease` after this process has died.
        """
        return LimitHandle(
            self, self._keeper, name, key=key, weight=weight, timeout=timeout, lease=lease
        )

    def worker(self, **settings: Unpack[WorkerOptions]) -> Worker:
        """A worker for your own event loop: `async with app.worker(queues={"default": 5}): …`.

        Takes the fields of `WorkerSettings`. Leaving the block lets running jobs finish.
        """
        return Worker(self, _settings(settings))

    def run_worker(self, **settings: Unpack[WorkerOptions]) -> int:
        """Run a worker until SIGTERM or SIGINT. Returns 0 when it stopped as asked.

        It waits for a database that cannot be reached; with `once` it raises the driver's error.
        """
        chosen = _settings(settings)
        if chosen.once:
            psycopg.connect(connection_string(self.dsn, "pgqueue once")).close()
        return run(self, chosen)


def _settings(given: WorkerOptions) -> WorkerSettings:
    known = [field.name for field in dataclasses.fields(WorkerSettings)]
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else f" There are: {', '.join(known)}."
            raise InvalidOption(f"a worker has no setting {name}.{hint}")
    return WorkerSettings(**given)
