"""Asks the database for its metrics, at most once in 15 seconds, however many want to know."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict

import psycopg

from ..database.link import connection_string
from ..database.statement import Statement
from ..outcome import describe

_log = logging.getLogger("pgqueue")
_METRICS = Statement("metrics")
EVERY = 15.0
LONGEST = 5
"""Seconds that the database may take."""
OTHER = "other"
"""The label of what belongs to queues beyond those that are told apart."""

Labels = tuple[str, ...]
Readings = dict[str, dict[Labels, float]]
"""Values by metric and labels."""


class Reader:
    """Opens a connection whenever it asks, so that none is held for a question in 15 seconds."""

    def __init__(self, dsn: str, *, every: float = EVERY) -> None:
        self._dsn = dsn
        self._every = every
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._readings: Readings = {}
        self._failed = False

    def read(self) -> Readings:
        """The values of now or of a moment ago. Without an answer there is `database_up` alone."""
        with self._lock:
            if time.monotonic() - self._asked_at >= self._every:
                self._readings = self._ask()
                self._asked_at = time.monotonic()
            return self._readings

    def _ask(self) -> Readings:
        try:
            with psycopg.connect(
                connection_string(self._dsn, "pgqueue metrics"), prepare_threshold=None
            ) as connection:
                # Local to the transaction, so that it stays with us behind a pooler.
                connection.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [f"{LONGEST}s"]
                )
                rows = connection.execute(_METRICS.text).fetchall()
        except psycopg.Error as error:
            if not self._failed:
                _log.warning("metrics: %s", describe(error).message.partition("\n")[0])
            self._failed = True
            return {"database_up": {(): 0.0}}
        self._failed = False
        return {**arranged(rows), "database_up": {(): 1.0}}


def arranged(rows: list[tuple[str, str | None, str | None, float]]) -> Readings:
    """Rows as the function gives them. A queue may be called as the rest is: their jobs are added,
    and of their ages the greater one counts.
    """
    found: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
    for metric, label, state, value in rows:
        labels: Labels = () if metric == "schema_version" else (label or OTHER,)
        if state is not None:
            labels = (*labels, state)
        known = found[metric].get(labels, 0.0)
        found[metric][labels] = known + value if metric == "jobs" else max(known, value)
    return dict(found)
