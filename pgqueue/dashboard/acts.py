"""What visitors do: allowed, done and recorded in one transaction, then told to every open page."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import psycopg
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..errors import InvalidOption
from .access import Role
from .database import Session
from .given import Given, refused
from .visit import Visit, page

LOG = logging.getLogger("pgqueue.dashboard")


class Done(NamedTuple):
    """What was done, for the visitor and the audit. Without an action nothing had to be done."""

    path: str
    """Where the visitor goes to."""
    told: str
    action: str | None = None
    target: dict[str, Any] | None = None
    jobs: int | None = None
    reason: str | None = None
    search: str | None = None
    """What the page is to find."""
    operation: int | None = None
    """One that was ordered, and is begun once that is committed."""


class Unchanged(Exception):
    """An act that could not be done; the answer says why."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


Act = Callable[[Visit, Session, Given], Awaitable[Done]]


def act(role: Role) -> Callable[[Act], Callable[[Request], Awaitable[Response]]]:
    """A POST that changes something, for whoever has the role. The record is written in the
    transaction of the change, so neither is there without the other.
    """

    def decorate(handler: Act) -> Callable[[Request], Awaitable[Response]]:
        @page
        async def answer(visit: Visit) -> Response:
            visit.demand(role)
            given = await visit.form()
            try:
                async with visit.services.database.act() as session:
                    done = await handler(visit, session, given)
                    if done.action is not None:
                        await session.record(
                            visit.visitor.name,
                            done.action,
                            done.target or {},
                            jobs=done.jobs,
                            reason=done.reason,
                        )
            except Unchanged as unchanged:
                return unchanged.answer
            except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
                raise _refusal(error) from error
            except psycopg.errors.LockNotAvailable as error:
                text = "Somebody else is changing this at the moment. Try again in a second."
                raise HTTPException(409, text) from error
            except InvalidOption as error:
                raise refused(error) from error
            visit.services.changed()
            if done.operation is not None:
                await _begin(visit, done.operation)
            return visit.back(done.path, done.told, q=done.search)

        return answer

    return decorate


async def _begin(visit: Visit, operation: int) -> None:
    """It is ordered, whatever happens now: where it cannot begin it waits for who resumes it."""
    try:
        await visit.services.operations.begin(operation)
    except psycopg.Error as error:
        LOG.warning("operation %s did not begin: %s", operation, error)


def _refusal(error: psycopg.Error) -> HTTPException:
    """What the database says of a value; what it says of our own mistakes is not for visitors."""
    told = error.diag.message_primary or ""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return HTTPException(403, "The dashboard's database role may not do this.")
    if isinstance(error, psycopg.errors.CheckViolation):
        told = f"{error.diag.constraint_name}."
    elif not told.startswith("pgqueue: "):
        if isinstance(error, psycopg.ProgrammingError):
            raise error
        told = f"The database refuses: {told}."
    return refused(
        ". ".join(filter(None, [told.removeprefix("pgqueue: "), error.diag.message_hint]))
    )
