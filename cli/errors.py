"""Errors for people: what happened, why, what to do; tracebacks only when they are asked for."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any

import click

from .printable import printable

if TYPE_CHECKING:
    from .session import Session

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


def explain(error: Exception, session: Session) -> CommandError:
    """What an exception means to whoever typed the command."""
    found = _of_the_library(error) or _of_the_database(error, session)
    if found is not None:
        return found
    return CommandError(
        f"unexpected {type(error).__name__}: {session.scrub(str(error))}",
        hint="the same command with -vv shows where it came from.",
    )


def _of_the_library(error: Exception) -> CommandError | None:
    from pgqueue import errors
    from pgqueue.migrations.errors import MigrationError

    message = str(error)
    match error:
        case errors.SchemaError():
            return of_schema(error)
        case errors.UsageError():
            what, _, why = message.partition("\n")
            return CommandError(what, why, exit_code=USAGE)
        case errors.JobNotFound():
            what, _, why = message.partition(": ")
            return CommandError(f"{what}.", why, exit_code=NOTHING_MATCHED)
        case errors.JobFailed() | errors.JobCancelled():
            return CommandError(message, exit_code=JOB_FAILED)
        case errors.PgqueueError():
            return of_text(message)
        case MigrationError():
            return CommandError(message)
        case TimeoutError() if message:
            return CommandError(message)
        case UnicodeEncodeError():
            return CommandError("what was typed is not valid UTF-8.", exit_code=USAGE)
    return None


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


def _not_ready(what: str, hint: str) -> CommandError:
    return CommandError(what, hint=hint or None, exit_code=CHECK_SAID_NO)


def _of_the_database(error: Exception, session: Session) -> CommandError | None:
    import psycopg

    if not isinstance(error, psycopg.Error):
        return None
    first = session.scrub(str(error)).partition("\n")[0]
    match error:
        case psycopg.errors.QueryCanceled():
            return CommandError(
                f"the database did not answer within {session.timeout:g} seconds.",
                first,
                "narrow it down (--queue, --task, --since), or allow more: --timeout 60s",
            )
        case psycopg.errors.InsufficientPrivilege():
            return CommandError(
                "the database refuses: the role of the DSN lacks a privilege.",
                first,
                'the owner of the schema can grant it: GRANT USAGE ON SCHEMA pgqueue TO "role", …',
            )
        case psycopg.errors.ReadOnlySqlTransaction():
            return CommandError(
                "the database is read-only.", first, "point the DSN at the primary server."
            )
        case psycopg.OperationalError() if error.sqlstate is None or error.sqlstate[:2] in (
            "08",
            "57",
        ):
            return CommandError("the connection to the database was lost.", first)
    hint = getattr(error.diag, "message_hint", None)
    return CommandError(f"the database refuses: {first}", hint=hint)
