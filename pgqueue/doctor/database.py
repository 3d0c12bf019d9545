"""The database as the checks ask it: every question bounded in time, and none leaves a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row, tuple_row

Row = dict[str, Any]

_BOUNDS = """
SELECT set_config('statement_timeout', %(timeout)s, true),
       set_config('search_path', 'pg_catalog', true),
       set_config('TimeZone', 'UTC', true)
"""


class Database:
    """Asks over a connection of anybody's, in a transaction or not.

    The settings are rolled back with each question, so that they stay with us behind a pooler, and
    names are printed in full whatever the caller's search_path is.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], *, timeout: float, patience: float
    ) -> None:
        self.connection = connection
        self.patience = patience
        """Seconds after which an open transaction is long."""
        self._timeout = min(round(timeout * 1000), 2**31 - 1) if timeout else 0

    def rows(self, query: str, **parameters: Any) -> list[Row]:
        """What a query says now."""
        with self._asking(), self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), parameters or None).fetchall()

    def row(self, query: str, **parameters: Any) -> Row:
        """The only row of a query."""
        (only,) = self.rows(query, **parameters)
        return only

    def values(self, query: str, **parameters: Any) -> tuple[Any, ...]:
        """The only row of a query whose columns have no names."""
        with self._asking(), self.connection.cursor(row_factory=tuple_row) as cursor:
            (only,) = cursor.execute(query.encode(), parameters or None).fetchall()
            return only

    def value(self, query: str, **parameters: Any) -> Any:
        """The only value of a query."""
        (only,) = self.values(query, **parameters)
        return only

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(_BOUNDS, {"timeout": f"{self._timeout}ms"})
            yield
