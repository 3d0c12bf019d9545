"""What the handles share: an operation runs in the transaction of the connection that is passed, or
on one of the application's own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg

from .database.connection import is_async, run, run_async
from .database.statement import Statement

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, Parameters, Rows

T = TypeVar("T")


class Connected(Protocol):
    """Who has connections of its own."""

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]: ...


def act(
    home: Connected,
    connection: Any,
    statement: Statement,
    parameters: Parameters,
    answer: Callable[[Rows], T],
) -> T | Coroutine[Any, Any, T]:
    """What `answer` makes of the rows; with an async connection, a coroutine of that."""
    if connection is None:
        with home.connection() as own:
            return answer(run(own, statement, parameters))
    if is_async(connection):
        return _act_async(connection, statement, parameters, answer)
    return answer(run(connection, statement, parameters))


async def _act_async(
    connection: AsyncConnection,
    statement: Statement,
    parameters: Parameters,
    answer: Callable[[Rows], T],
) -> T:
    return answer(await run_async(connection, statement, parameters))
