"""A queue by its name: pause it, resume it, look how much waits in it."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, overload
from uuid import UUID

from .acting import Connected, act
from .bounds import check_duration, check_integer, check_name, ending, seconds
from .database.statement import Statement
from .key import check_value

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection

_PAUSE, _RESUME = Statement("pause_queue"), Statement("resume_queue")
_BACKLOG, _RUNNING = Statement("backlog"), Statement("running")
_AGEING, _WEIGHT = Statement("set_ageing"), Statement("set_weight")
MOST = 10_000
"""How far to count unless told otherwise."""


class Queue:
    """A queue by its name. It need not have any jobs yet.

    Every operation takes your connection, sync or async, and runs in its transaction. Without one
    it uses a connection of the application, and commits at once.
    """

    __slots__ = ("_home", "name")

    def __init__(self, home: Connected, name: str) -> None:
        check_name(name, "queue", 100)
        self._home = home
        self.name = name

    def __repr__(self) -> str:
        return f"Queue({self.name})"

    @overload
    def pause(
        self,
        connection: AsyncConnection,
        *,
        reason: str | None = None,
        until: datetime | timedelta | None = None,
        paused_by: str | None = None,
    ) -> Coroutine[Any, Any, None]: ...
    @overload
    def pause(
        self,
        connection: SyncConnection | None = None,
        *,
        reason: str | None = None,
        until: datetime | timedelta | None = None,
        paused_by: str | None = None,
    ) -> None: ...
    def pause(
        self,
        connection: Any = None,
        *,
        reason: str | None = None,
        until: datetime | timedelta | None = None,
        paused_by: str | None = None,
    ) -> Any:
        """Let no job of the queue begin until it is resumed; running ones go on.

        `until` is an aware datetime, or a timedelta from the start of your transaction: then the
        pause ends by itself, and sleeping workers notice at their next look, within seconds.
        Pausing a paused queue changes everything but since when. `paused_by` is the user of the
        database unless given. Raises InvalidOption.
        """
        parameters = {"queue": self.name, "reason": reason, "paused_by": paused_by}
        parameters |= ending(until)
        return act(self._home, connection, _PAUSE, parameters, lambda rows: None)

    @overload
    def resume(self, connection: AsyncConnection) -> Coroutine[Any, Any, bool]: ...
    @overload
    def resume(self, connection: SyncConnection | None = None) -> bool: ...
    def resume(self, connection: Any = None) -> Any:
        """Let the jobs of the queue begin again. Returns whether it was paused."""
        parameters = {"queue": self.name}
        return act(self._home, connection, _RESUME, parameters, lambda rows: bool(rows[0][0]))

    @overload
    def backlog(
        self, connection: AsyncConnection, *, most: int = MOST
    ) -> Coroutine[Any, Any, int]: ...
    @overload
    def backlog(self, connection: SyncConnection | None = None, *, most: int = MOST) -> int: ...
    def backlog(self, connection: Any = None, *, most: int = MOST) -> Any:
        """How many jobs wait for a worker or at the gate, counted up to `most`.

        Jobs that run are not counted, nor those that wait for their time. Your transaction sees its
        own jobs, and those that others have committed.
        """
        return self._count(connection, _BACKLOG, most)

    @overload
    def running(
        self, connection: AsyncConnection, *, most: int = MOST
    ) -> Coroutine[Any, Any, int]: ...
    @overload
    def running(self, connection: SyncConnection | None = None, *, most: int = MOST) -> int: ...
    def running(self, connection: Any = None, *, most: int = MOST) -> Any:
        """How many jobs the workers have, counted up to `most`. After a pause: whether all have
        ended.
        """
        return self._count(connection, _RUNNING, most)

    @overload
    def set_ageing(
        self, connection: AsyncConnection, *, ageing: timedelta | float | None
    ) -> Coroutine[Any, Any, None]: ...
    @overload
    def set_ageing(
        self, connection: SyncConnection | None = None, *, ageing: timedelta | float | None
    ) -> None: ...
    def set_ageing(self, connection: Any = None, *, ageing: timedelta | float | None) -> Any:
        """Let jobs rise while they wait: who has waited for `ageing` has the highest priority.

        A timedelta or seconds, one second at least. None switches it off. Raises InvalidOption.
        """
        length = None if ageing is None else seconds(ageing, "ageing")
        if length is not None:
            check_duration(length, "ageing", at_least=timedelta(seconds=1))
        parameters = {
            "queue": self.name,
            "ageing": None if length is None else length.total_seconds(),
        }
        return act(self._home, connection, _AGEING, parameters, lambda rows: None)

    @overload
    def set_weight(
        self, connection: AsyncConnection, *, fair_key: str | int | UUID, weight: int
    ) -> Coroutine[Any, Any, None]: ...
    @overload
    def set_weight(
        self,
        connection: SyncConnection | None = None,
        *,
        fair_key: str | int | UUID,
        weight: int,
    ) -> None: ...
    def set_weight(self, connection: Any = None, *, fair_key: str | int | UUID, weight: int) -> Any:
        """Let the tenant of this `fair_key` run so many jobs, from 1 to 1000, for each one of a
        tenant of the weight 1, while both have some waiting. All have 1 unless told otherwise.
        Raises InvalidOption.
        """
        check_value(fair_key, "fair_key")
        check_integer(weight, "weight", 1, 1000)
        parameters = {"queue": self.name, "fair_key": str(fair_key), "weight": weight}
        return act(self._home, connection, _WEIGHT, parameters, lambda rows: None)

    def _count(self, connection: Any, statement: Statement, most: int) -> Any:
        check_integer(most, "most", 1, 1_000_000_000)
        parameters = {"queue": self.name, "most": most}
        return act(self._home, connection, statement, parameters, lambda rows: int(rows[0][0]))
