"""The database as a migration finds it: refused when it is not fit, locked while it changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pgqueue.migrations.errors import MigrationError
from pgqueue.migrations.revision import revisions

if TYPE_CHECKING:
    from psycopg import Connection

LOCK = (7077, 1)


@contextmanager
def connect(dsn: str) -> Iterator["Connection"]:
    """Open a connection from a libpq URL, a key=value string or an SQLAlchemy URL."""
    import psycopg

    scheme, separator, rest = dsn.partition("://")
    conninfo = f"{scheme.partition('+')[0]}{separator}{rest}" if separator else dsn
    with psycopg.connect(
        conninfo, fallback_application_name="pgqueue migrate", prepare_threshold=None
    ) as connection:
        yield connection


def lock(connection: "Connection", *, wait: float, lock_timeout: float) -> None:
    """Wait for other migrating processes; the lock ends with the transaction, also when killed."""
    import psycopg

    _set_lock_timeout(connection, wait)
    try:
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", LOCK)
    except psycopg.errors.LockNotAvailable:
        raise MigrationError(
            f"Another process has been migrating this database for more than {wait:g} seconds. "
            "Look for it in pg_stat_activity, then try again."
        ) from None
    _set_lock_timeout(connection, lock_timeout)


def _set_lock_timeout(connection: "Connection", seconds: float) -> None:
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true)", [f"{max(1, round(seconds * 1000))}ms"]
    )


def check(connection: "Connection") -> None:
    """Refuse a server that is too old, and a database that cannot hold every text."""
    if connection.info.server_version < 140000:
        version = connection.info.parameter_status("server_version")
        raise MigrationError(
            f"pgqueue needs PostgreSQL 14 or newer; this server is {version}. Upgrade the server."
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MigrationError(
            f"pgqueue needs a database with encoding UTF8; this one has {encoding}. "
            "Create one with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        )


def installed_revision(connection: "Connection") -> str | None:
    """The revision that the database is at, or None when pgqueue is not there."""
    schema, is_ours, is_empty = _look_at_schema(connection)
    if is_ours:
        rows = connection.execute("SELECT version_num FROM pgqueue.schema_version").fetchall()
        return rows[0][0] if rows else None
    if schema is not None and not is_empty:
        raise MigrationError(
            'There is a foreign schema named "pgqueue" in this database: it has objects, but no '
            "version table of ours. Rename it (ALTER SCHEMA pgqueue RENAME TO something_else) or "
            "use another database."
        )
    return None


def _look_at_schema(connection: "Connection") -> tuple[int | None, bool, bool]:
    row = connection.execute("""
        SELECT schema.oid,
               EXISTS (SELECT FROM pg_attribute WHERE attname = 'version_num'
                       AND attrelid = to_regclass('pgqueue.schema_version')),
               NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = schema.oid)
               AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = schema.oid)
               AND NOT EXISTS (SELECT FROM pg_type WHERE typnamespace = schema.oid)
        FROM (SELECT to_regnamespace('pgqueue')::oid AS oid) AS schema
    """).fetchone()
    assert row is not None
    return row


def refuse_newer(installed: str | None) -> None:
    """A newer release has been here, and we know nothing of what it did."""
    known = revisions()
    if installed is not None and installed not in known:
        raise MigrationError(
            f"This release knows up to {known[-1]}, the database is at {installed}: "
            "upgrade pgqueue."
        )


def create_schema(connection: "Connection") -> None:
    """Create the schema unless an administrator did, so that we need no right to create one."""
    if _look_at_schema(connection)[0] is None:
        connection.execute("CREATE SCHEMA pgqueue")


def drop_schema(connection: "Connection") -> None:
    """Remove version table and schema, or neither when somebody keeps things of their own there."""
    import psycopg

    with connection.transaction() as savepoint:
        connection.execute("DROP TABLE pgqueue.schema_version")
        _, _, is_empty = _look_at_schema(connection)
        if not is_empty:
            raise psycopg.Rollback(savepoint)
        connection.execute("DROP SCHEMA pgqueue")
