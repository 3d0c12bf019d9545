"""The server under the tests: databases made and dropped, and nothing left behind in them."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgqueue.embedded import EmbeddedServer
from tests.support.waiting import eventually


class Server:
    """A running server, with the names that pytest-postgresql asks for."""

    options = ""
    template_dbname = None

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        asked = conninfo_to_dict(dsn)
        info = self._connection.info
        self.host = info.host
        self.port = info.port
        self.user = info.user
        self.password = info.password or None
        self.maintenance_dbname = str(asked.get("dbname") or info.dbname)
        self.version = info.server_version // 10000
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Close the connection that makes and drops databases."""
        self._connection.close()

    def dsn(self, dbname: str) -> str:
        """The URL of a database, for libpq as for SQLAlchemy."""
        who = quote(self.user, safe="")
        if self.password:
            who += ":" + quote(self.password, safe="")
        if self.host.startswith("/"):
            return f"postgresql://{who}@/{dbname}?host={quote(self.host, safe='')}&port={self.port}"
        return f"postgresql://{who}@{self.host}:{self.port}/{dbname}"

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement in the maintenance database."""
        cursor = self._connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self, *, template: str = "template1", options: str = "") -> Iterator[str]:
        """A new database for the length of the block. Fails if somebody stays connected."""
        name = f"pgqueue_test_{os.getpid()}_{next(self._numbers)}"
        self._connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} {}").format(
                sql.Identifier(name), sql.Identifier(template), sql.SQL(options)
            )
        )
        try:
            yield self.dsn(name)
            self._refuse_leaks(name)
        finally:
            self._connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def connections(self, dbname: str) -> list[tuple[object, ...]]:
        """Who is connected to a database: application, state, last statement."""
        return self._connection.execute(
            "SELECT application_name, state, left(query, 80) FROM pg_stat_activity "
            "WHERE datname = %s AND backend_type = 'client backend'",
            [dbname],
        ).fetchall()

    def _refuse_leaks(self, name: str) -> None:
        try:
            eventually(lambda: not self.connections(name), within=3)
        except AssertionError:
            left = self.connections(name)
            raise AssertionError(f"connections outlive the test: {left}") from None


@contextmanager
def running_server() -> Iterator[Server]:
    """The server at PGQUEUE_TEST_DSN, or an embedded one for the length of the block."""
    with ExitStack() as stack:
        dsn = os.environ.get("PGQUEUE_TEST_DSN")
        server = Server(dsn or stack.enter_context(embedded_server()).dsn())
        stack.callback(server.close)
        yield server


@contextmanager
def embedded_server() -> Iterator[EmbeddedServer]:
    """A temporary server; in memory where there is plenty, as ext4 makes files slowly."""
    memory = Path("/dev/shm")
    with pytest.MonkeyPatch.context() as patch:
        if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 1024**3:
            patch.setattr(tempfile, "tempdir", str(memory))
        with EmbeddedServer() as server:
            patch.undo()
            yield server


def migrated(upgrade: Callable[[str], None]) -> Callable[..., None]:
    """A loader for pytest-postgresql that brings its template database up to date."""

    def load(
        *, host: str, port: int, user: str, password: str | None, dbname: str, **_: object
    ) -> None:
        where = make_conninfo(host=host, port=port, user=user, password=password, dbname=dbname)
        upgrade(where)

    return load
