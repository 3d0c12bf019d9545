"""Where it is measured: a database of a random name, which is gone afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgqueue.database.dsn import normalise_dsn
from pgqueue.database.link import connection_string
from pgqueue.migrations import upgrade

from .errors import BenchmarkError

PRIVATE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
}
"""Settings of a private server: as durable as in production, with room to work."""
TOLD = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


@dataclass(frozen=True, slots=True)
class Place:
    """A migrated database for us alone, and the database of the same server that we came by."""

    dsn: str
    server_dsn: str
    name: str
    settings: dict[str, str]


@contextmanager
def throw_away_database(server_dsn: str) -> Iterator[Place]:
    """Make a database on the server, migrate it, and drop it at the end of the block.

    Raises BenchmarkError when the role may not make databases.
    """
    server_dsn = connection_string(server_dsn, "pgqueue bench")
    name = f"pgqueue_bench_{secrets.token_hex(6)}"
    own = make_conninfo(normalise_dsn(server_dsn), dbname=name)
    try:
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            _create(connection, name)
            settings = {each: _setting(connection, each) for each in TOLD}
        upgrade(own)
        with psycopg.connect(own, autocommit=True) as connection:
            connection.execute(
                "SELECT pgqueue.add_partition(current_date + i) FROM generate_series(0, 1) i"
            )
        yield Place(own, server_dsn, name, settings)
    finally:
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


def _create(connection: psycopg.Connection, name: str) -> None:
    try:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        role = connection.info.user
        raise BenchmarkError(
            f'the role "{role}" may not create databases.\n'
            "The benchmarks run in a database of their own, so that they touch nothing of yours.\n"
            f'Hint: ALTER ROLE "{role}" CREATEDB, name another role by --dsn, or use --private.'
        ) from None


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])
