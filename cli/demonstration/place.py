"""Where the demo takes place: a private server, or an empty database that somebody gave us."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pgqueue.database.dsn import display_dsn
from pgqueue.database.link import connection_string
from pgqueue.embedded import Binaries, EmbeddedServer, EmbeddedServerError, find_binaries
from pgqueue.migrations import downgrade

from ..dev import usual_directory
from ..errors import CommandError
from .tasks import DROP_TABLES

WHAT_IS_THERE = """
SELECT current_setting('server_version'), current_database(),
       CASE WHEN to_regnamespace('pgqueue') IS NOT NULL THEN 'schema pgqueue'
            WHEN to_regclass('document') IS NOT NULL THEN 'table document'
            WHEN to_regclass('document_index') IS NOT NULL THEN 'table document_index' END
"""


@dataclass(frozen=True)
class Place:
    """A database for the demo alone. Unless `keep` is called, nothing of it is left in the end."""

    dsn: str
    description: str
    keep: Callable[[], None]
    psql: str = ""
    """How to begin a command line of psql for it, if it is kept."""
    cleaning: tuple[str, ...] = ()
    """What to type to be rid of it, if it is kept."""


def open_place(dsn: str | None, keep: bool) -> AbstractContextManager[Place]:
    """The database at `dsn`, or a private server, which can be kept if `keep` says so beforehand.

    Entering raises CommandError, which says what to do instead.
    """
    if dsn is not None:
        return _given_database(dsn)
    return _lasting_server() if keep else _temporary_server()


@contextmanager
def _temporary_server() -> Iterator[Place]:
    binaries = _find_binaries()
    with EmbeddedServer(binaries=binaries) as server:
        yield Place(server.dsn(), f"{_described(binaries)}, thrown away at the end", _cannot)


@contextmanager
def _lasting_server() -> Iterator[Place]:
    """It belongs to us, and so ends with us, until it is kept."""
    binaries = _find_binaries()
    usual = usual_directory(binaries.major)
    directory = usual.parent.parent / "demo" / usual.name
    server = EmbeddedServer(directory, durable=False, binaries=binaries)
    if server.exists:
        raise _kept_already(directory)
    kept = False

    def keep() -> None:
        nonlocal kept
        server.stop()
        EmbeddedServer(directory, detached=True, binaries=binaries).start()
        kept = True

    data = f"--data {shlex.quote(str(directory))}"
    cleaning = (f"pgqueue dev stop {data}", f"pgqueue dev reset --yes {data}")
    try:
        server.start()
        description = f"{_described(binaries)} in {directory}"
        yield Place(server.dsn(), description, keep, f"pgqueue dev psql {data} --", cleaning)
    finally:
        if not kept:
            server.delete()


@contextmanager
def _given_database(dsn: str) -> Iterator[Place]:
    """What is there already stays as it is; what we make is removed again unless it is kept."""
    try:
        connection = psycopg.connect(connection_string(dsn, "pgqueue demo"), autocommit=True)
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0].rpartition(" failed: ")[2]
        raise CommandError(
            "cannot connect to the database.",
            f"{display_dsn(dsn)} — {reason}",
            "without --dsn, the demo starts a private server by itself.",
        ) from error
    with connection:
        row = connection.execute(WHAT_IS_THERE).fetchone()
    assert row is not None
    version, database, found = row
    if found is not None:
        raise CommandError(
            f'database "{database}" has a {found} already.',
            "The demo makes a schema pgqueue and two tables, and touches nothing that is yours.",
            "give an empty database (createdb pgqueue_demo), or leave out --dsn.",
        )
    kept = False

    def keep() -> None:
        nonlocal kept
        kept = True

    psql = 'psql "$PGQUEUE_DSN"'
    cleaning = (f'{psql} -c "{DROP_TABLES}"', "pgqueue migrate down --to 0")
    try:
        yield Place(dsn, f'PostgreSQL {version}, your database "{database}"', keep, psql, cleaning)
    finally:
        if not kept:
            with psycopg.connect(dsn) as connection:
                connection.execute(DROP_TABLES)
            downgrade(dsn, to="base")


def _find_binaries() -> Binaries:
    try:
        return find_binaries()
    except EmbeddedServerError as error:
        what, _, hint = str(error).partition("\nHint: ")
        or_else = "Or give the demo an empty database: pgqueue demo --dsn postgresql://…"
        raise CommandError(what, hint=f"{hint} {or_else}".strip()) from None


def _described(binaries: Binaries) -> str:
    return f"PostgreSQL {binaries.version} ({binaries.found_by}), private"


def _kept_already(directory: Path) -> CommandError:
    data = f"--data {shlex.quote(str(directory))}"
    return CommandError(
        "an earlier demo is kept already.",
        f"It is in {directory}.",
        f"pgqueue dev reset --yes {data}          (look at it first: pgqueue dev status {data})",
    )


def _cannot() -> None:
    raise AssertionError("a temporary server cannot be kept")
