"""Keeps the worker's leases alive, from a thread and a connection of its own.

A handler that blocks the event loop, or a table lock that blocks everything else, must not cost the
worker its leases; so nothing here waits for the loop, and renewing touches one row of its own only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from ..database.link import connection_string
from ..database.statement import Statement
from ..outcome import describe

_REGISTER, _RENEW, _CHECK = Statement("register"), Statement("renew"), Statement("check_leases")
_UNREGISTER, _DRAINING = Statement("unregister"), Statement("draining")


@dataclass(frozen=True, slots=True)
class Registration:
    """What a worker says of itself, as the statement wants it."""

    name: str
    host: str
    pid: int
    version: str
    queues: list[str]
    tasks: list[str]
    concurrency: int
    lease_for: float


class Heart:
    """Registers the worker, renews its leases, and hears which of them were lost or should end.

    Callbacks are called from its thread. `held` returns the (id, lease) pairs that handlers run.
    """

    def __init__(
        self,
        dsn: str,
        registration: Registration,
        every: float,
        *,
        held: Callable[[], list[tuple[int, int]]],
        verdict: Callable[[int, str, str | None], None],
        trouble: Callable[[BaseException | None], None],
    ) -> None:
        self._conninfo = connection_string(dsn, f"pgqueue heart {registration.name}")
        self._registration = registration
        self._every = every
        self._held = held
        self._verdict = verdict
        self._trouble = trouble
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._stop = threading.Event()
        self._beat_now = threading.Event()
        self._draining = False
        self._down = False
        self._thread = threading.Thread(target=self._run, name="pgqueue-heart", daemon=True)
        self.worker_id = 0

    def start(self) -> None:
        """Register and begin to beat. Raises the driver's error when the database cannot be
        reached.
        """
        self._register()
        self._thread.start()

    def beat(self) -> None:
        """Beat now instead of at the next turn."""
        self._beat_now.set()

    def drain(self) -> None:
        """Let everybody see that this worker takes no new jobs."""
        self._draining = True
        self._beat_now.set()

    def stop(self) -> None:
        """Stop beating and take the worker's row away. Blocks for a moment."""
        self._stop.set()
        self._beat_now.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        try:
            self._execute(_UNREGISTER, {"worker": self.worker_id})
        except (psycopg.Error, OSError):
            pass  # the row expires, and rescue finds nothing left to take
        finally:
            self._close()

    def _run(self) -> None:
        due = time.monotonic() + self._every
        while not self._stop.is_set():
            self._beat_now.wait(timeout=max(0.0, due - time.monotonic()))
            self._beat_now.clear()
            if self._stop.is_set():
                return
            due = time.monotonic() + self._every
            try:
                self._beat()
            except (psycopg.Error, OSError) as error:
                self._close()
                due = time.monotonic() + min(self._every, 1.0)
                self._tell(error)
            else:
                self._tell(None)

    def _beat(self) -> None:
        held = sorted(self._held())
        rows = self._execute(_RENEW, {"worker": self.worker_id, "running": len(held)})
        if not rows[0][0]:
            self._register()
        if self._draining:
            self._execute(_DRAINING, {"worker": self.worker_id})
        if held:
            pairs = {"ids": [id for id, _ in held], "leases": [lease for _, lease in held]}
            for job_id, verdict, reason in self._execute(_CHECK, pairs):
                self._verdict(job_id, verdict, reason)  # type: ignore[arg-type]  # typed by the statement

    def _register(self) -> None:
        mine = self._registration
        parameters = {name: getattr(mine, name) for name in Registration.__slots__}
        rows = self._execute(_REGISTER, parameters)
        self.worker_id = rows[0][0]  # type: ignore[assignment]  # typed by the statement

    def _execute(
        self, statement: Statement, parameters: Mapping[str, object]
    ) -> list[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._conninfo, autocommit=True, prepare_threshold=None
            )
        return self._connection.execute(statement.text, parameters).fetchall()

    def _tell(self, error: BaseException | None) -> None:
        if self._down != (error is not None):
            self._down = error is not None
            self._trouble(error)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def reason_of(error: BaseException) -> str:
    return describe(error).message
