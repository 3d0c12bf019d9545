"""Where the database is: a libpq URL or key=value string, as users write and as we show it."""

from __future__ import annotations

import re

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_DRIVER = re.compile(r"^(postgres(?:ql)?)\+\w+://")

_SECRET = re.compile("password|secret|scram")
"""Keys of libpq whose values nobody should see."""


def normalise_dsn(dsn: str) -> str:
    """Accept SQLAlchemy's `postgresql+driver://` too. An empty DSN means libpq's PG* variables."""
    return _DRIVER.sub(r"postgresql://", dsn.strip())


def display_dsn(dsn: str) -> str:
    """The DSN without its password, for people and logs. Never raises."""
    try:
        parts = conninfo_to_dict(normalise_dsn(dsn))
    except Exception:  # noqa: BLE001 - a broken DSN may hold a password anywhere in it
        return "(a DSN that cannot be read)"
    for key in parts:
        if _SECRET.search(key):
            parts[key] = "***"
    return make_conninfo("", **parts) if parts else "(the defaults of libpq: PGHOST, PGDATABASE, …)"
