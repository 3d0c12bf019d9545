"""What an exception of the library or the database means to whoever typed the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import (
    JOB_FAILED,
    NOTHING_MATCHED,
    USAGE,
    CommandError,
    of_schema,
    of_text,
)

if TYPE_CHECKING:
    from .session import Session


def explain(error: Exception, session: Session) -> CommandError:
    """What an exception means to whoever typed the command."""
    found = _of_the_library(error) or _of_the_database(error, session)
    if found is None:
        found = CommandError(
            f"unexpected {type(error).__name__}: {session.scrub(str(error))}",
            hint="the same command with -vv shows where it came from.",
        )
    notes = [session.scrub(note) for note in getattr(error, "__notes__", ())]
    found.why = "\n".join([found.why, *notes] if found.why else notes) or None
    return found


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
