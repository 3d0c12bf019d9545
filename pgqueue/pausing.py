"""Pauses: let no job of a task, with a tag, or of a tenant begin for a while."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, overload

import psycopg

from .acting import act
from .bounds import check_name, ending
from .database.statement import Statement
from .errors import InvalidOption

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection

_PAUSE, _RESUME = Statement("pause"), Statement("resume")
_LONGEST = 200
"""Bytes of a name at most."""


class Pausing:
    """The part of an application that pauses and resumes. A queue is paused by its own handle."""

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        raise NotImplementedError

    @overload
    def pause(
        self,
        connection: AsyncConnection,
        *,
        task: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
        reason: str | None = None,
        until: datetime | timedelta | None = None,
        paused_by: str | None = None,
    ) -> Coroutine[Any, Any, None]: ...
    @overload
    def pause(
        self,
        connection: SyncConnection | None = None,
        *,
        task: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
        reason: str | None = None,
        until: datetime | timedelta | None = None,
        paused_by: str | None = None,
    ) -> None: ...
    def pause(
        self,
        connection: Any = None,
        *,
        task: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
        reason: str | None = None,
        until: datetime | timedelta | None = None,
        paused_by: str | None = None,
    ) -> Any:
        """Let no job of a task, with a tag, or of a tenant (its `fair_key`) begin until it is
        resumed; running ones go on.

        It runs in the transaction of your connection and holds from its commit on; without one it
        uses a connection of the application, and commits at once. `until` is an aware datetime, or
        a timedelta from the start of the transaction: then the pause ends by itself. Pausing again
        changes everything but since when. `paused_by` is the user of the database unless given.
        Raises InvalidOption.
        """
        parameters = _named(task, tag, tenant) | {"reason": reason, "paused_by": paused_by}
        parameters |= ending(until)
        return act(self, connection, _PAUSE, parameters, lambda rows: None)

    @overload
    def resume(
        self,
        connection: AsyncConnection,
        *,
        task: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
    ) -> Coroutine[Any, Any, bool]: ...
    @overload
    def resume(
        self,
        connection: SyncConnection | None = None,
        *,
        task: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
    ) -> bool: ...
    def resume(
        self,
        connection: Any = None,
        *,
        task: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
    ) -> Any:
        """End the pause of a task, a tag or a tenant. Returns whether it was paused.

        The transaction is chosen as by `pause`. Raises InvalidOption.
        """
        parameters = _named(task, tag, tenant)
        return act(self, connection, _RESUME, parameters, lambda rows: bool(rows[0][0]))


def _named(task: str | None, tag: str | None, tenant: str | None) -> dict[str, Any]:
    """The one that is given."""
    given = {"task": task, "tag": tag, "tenant": tenant}
    named = [(kind, name) for kind, name in given.items() if name is not None]
    if len(named) != 1:
        raise InvalidOption(
            f"a pause is for one task, one tag or one tenant, got {len(named)} names. "
            "Give one of task=, tag=, tenant=; pause others by a call of their own."
        )
    ((kind, name),) = named
    check_name(name, kind, _LONGEST)
    return {"kind": kind, "name": name}
