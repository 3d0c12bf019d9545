"""Which version of the schema this release needs, and what a database has."""

from __future__ import annotations

import re

from ..errors import SchemaForeign, SchemaMissing, SchemaOutdated, SchemaTooNew

SCHEMA_VERSION = "pgqueue_0001"

INSTALLED = """
SELECT current_database(),
       to_regnamespace('pgqueue') IS NOT NULL,
       to_regclass('pgqueue.schema_version') IS NOT NULL
"""
VERSION = "SELECT max(version_num) FROM pgqueue.schema_version"


def check_schema(database: str, exists: bool, ours: bool, version: str | None) -> None:
    """Raise the SchemaError that tells what to do, unless `version` is the one we need."""
    where = f'schema "pgqueue" in database "{database}"'
    if not exists or (ours and version is None):
        raise SchemaMissing(f"{where} is not installed. Run: pgqueue migrate")
    if not ours:
        raise SchemaForeign(
            f"{where} was not made by pgqueue. Use another database, or rename that schema: "
            "ALTER SCHEMA pgqueue RENAME TO something_else; then run: pgqueue migrate"
        )
    have, need = _number(version), _number(SCHEMA_VERSION)
    if have < need:
        raise SchemaOutdated(
            f"{where} is at version {have}, this release needs {need}. Run: pgqueue migrate"
        )
    if have > need:
        raise SchemaTooNew(
            f"{where} is at version {have}, this release knows versions up to {need}. "
            "Upgrade pgqueue in this environment."
        )


def _number(version: str | None) -> int:
    found = re.fullmatch(r"pgqueue_(\d+)", version or "")
    return int(found[1]) if found else 0
