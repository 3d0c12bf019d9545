"""Take a guard out of a function, to see that what it guards against then happens."""

from typing import Any

import psycopg

from tests.support.jobs import value


def without(
    connection: psycopg.Connection[Any], function: str, fragment: str, replacement: str = ""
) -> None:
    """Define the function anew with every occurrence of the fragment replaced."""
    definition = definition_of(connection, function)
    assert fragment in definition, f"pgqueue.{function} has no {fragment!r}"
    connection.execute(definition.replace(fragment, replacement).encode())


def definition_of(connection: psycopg.Connection[Any], function: str) -> str:
    """The function as CREATE OR REPLACE FUNCTION."""
    found = value(connection, "SELECT pg_get_functiondef(%s::regproc)", f"pgqueue.{function}")
    assert isinstance(found, str)
    return found
