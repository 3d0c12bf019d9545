"""Where the database is: a libpq URL or key=value string, as users write and as we show it."""

from __future__ import annotations

import re

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ..errors import InvalidOption

_DRIVER = re.compile(r"^(postgres(?:ql)?)\+\w+://")

_SECRET = re.compile("password|secret|scram")
"""Keys of libpq whose values nobody should see."""


def normalise_dsn(dsn: str) -> str:
    """Accept SQLAlchemy's `postgresql+driver://` too. An empty DSN means libpq's PG* variables."""
    return _DRIVER.sub(r"postgresql://", dsn.strip())


def checked_dsn(dsn: str | None) -> str:
    """The normalised DSN. Raises InvalidOption, which does not show it, if it cannot be read."""
    if dsn is not None and not isinstance(dsn, str):
        raise InvalidOption(f"the DSN is a string, got {type(dsn).__name__}.")
    normalised = normalise_dsn(dsn or "")
    try:
        conninfo_to_dict(normalised)
    except ProgrammingError:
        raise InvalidOption(
            "the DSN cannot be read. Write it as postgresql://user:password@host:5432/database; "
            "in a password, characters such as @ : / % are written %40 %3A %2F %25."
        ) from None
    return normalised


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
