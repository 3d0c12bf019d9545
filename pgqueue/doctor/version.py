"""Whether the schema is there, and is the one that this release knows."""

from __future__ import annotations

from collections.abc import Iterator

from ..database.schema import INSTALLED, SCHEMA_VERSION, VERSION, check_schema
from ..errors import SchemaError
from .database import Database
from .finding import Finding, ok, problem

NEEDED = "not looked at: the schema is not the one that this release knows."


def fits(database: Database) -> bool:
    """Whether the checks that need the schema can look at it."""
    return _trouble(database) is None


def schema(database: Database) -> Iterator[Finding]:
    """Compare the version that is installed with the one we know."""
    text = _trouble(database)
    if text is None:
        yield ok(f"the schema is at version {_number(SCHEMA_VERSION)}, as this release needs it.")
        return
    what, _, command = text.partition(" Run: ")
    if not command:
        what, _, command = text.partition(". ")
    yield problem(f"{what.rstrip('.')}; what is in it was not looked at.", command or None)


def _trouble(database: Database) -> str | None:
    name, exists, ours = database.values(INSTALLED)
    version = database.value(VERSION) if ours else None
    try:
        check_schema(name, exists, ours, version)
    except SchemaError as error:
        return str(error)
    return None


def _number(version: str) -> str:
    return version.removeprefix("pgqueue_").lstrip("0")
