"""Errors for people: what happened, why, what to do; and the exit codes that go with them."""

from __future__ import annotations

import re
from typing import IO, Any

import click

from .printable import printable

_CONNECTING = (
    (
        ("authentication", "no password"),
        "check user and password of the DSN, and the server's pg_hba.conf.",
    ),
    (("invalid port", "invalid integer"), "check the port in the DSN: a number up to 65535."),
    (
        ("failed to resolve", "could not translate host name"),
        "check the host in the DSN: its name is not known here.",
    ),
    (
        ('role "',),
        "check the user in the DSN; who may, makes it by: CREATE ROLE name LOGIN",
    ),
    (
        ("does not exist",),
        "check the names in the DSN; a database is made by: createdb NAME",
    ),
)
FAILED, USAGE, CHECK_SAID_NO, JOB_FAILED, NOTHING_MATCHED = 1, 2, 3, 4, 5


class CommandError(click.ClickException):
    """One line what, one line why, one line what to do about it."""

    def __init__(
        self, what: str, why: str | None = None, hint: str | None = None, *, exit_code: int = FAILED
    ) -> None:
        super().__init__(what)
        self.why = why
        self.hint = hint
        self.exit_code = exit_code  # type: ignore[misc]  # Click has one for each class

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on stderr."""
        lines = [click.style("Error: ", fg="red") + printable(self.message)]
        if self.why:
            lines += [f"  {line.strip()}" for line in printable(self.why, lines=True).splitlines()]
        if self.hint:
            lines.append(click.style("Hint: ", fg="cyan") + printable(self.hint))
        click.echo("\n".join(lines), err=True)


def of_text(message: str, exit_code: int = FAILED) -> CommandError:
    """A message of several lines: the first says what, a line `Hint:` what to do."""
    text, _, hint = message.partition("\nHint: ")
    what, _, why = text.partition("\n")
    return CommandError(what, why, hint or None, exit_code=exit_code)


def of_schema(error: Exception) -> CommandError:
    """A schema that is missing, foreign, behind or ahead, with the command that mends it."""
    from pgqueue.errors import SchemaForeign, SchemaOutdated

    text = str(error)
    if isinstance(error, SchemaForeign):
        what, _, hint = text.partition(". ")
        return _not_ready(f"{what}.", hint[:1].lower() + hint[1:])
    what, _, command = text.partition(" Run: ")
    if not command:
        what, _, rest = text.partition(". ")
        return _not_ready(f"{what}.", rest[:1].lower() + rest[1:])
    if isinstance(error, SchemaOutdated) and (version := re.search(r"at version (\d+)", what)):
        command += f"          (or: pgqueue migrate sql --from {version[1]} | psql)"
    return _not_ready(what, command)


def of_connection(reason: str) -> str:
    """What to do about a connection that libpq could not make."""
    for signs, hint in _CONNECTING:
        if any(sign in reason for sign in signs):
            return hint
    return "no Postgres yet? `pgqueue dev start` runs a private one and prints its URL."


def _not_ready(what: str, hint: str) -> CommandError:
    return CommandError(what, hint=hint or None, exit_code=CHECK_SAID_NO)
