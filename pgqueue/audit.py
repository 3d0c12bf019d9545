"""The record of what somebody does by hand, made in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from .database.connection import run, run_async
from .database.statement import Statement

if TYPE_CHECKING:
    from .database.connection import AsyncConnection, SyncConnection

_RECORD = Statement("record_action")
Via = Literal["dashboard", "cli", "python", "sql"]


def record_action(
    connection: SyncConnection,
    action: str,
    target: Mapping[str, Any],
    *,
    actor: str,
    via: Via,
    jobs: int | None = None,
    reason: str | None = None,
) -> int:
    """Record an act in the transaction of this connection. The action is the name of the function
    that does it, the target what it is done to. Returns the number of the record.
    """
    parameters = _parameters(action, target, actor, via, jobs, reason)
    return int(run(connection, _RECORD, parameters)[0][0])


async def record_action_async(
    connection: AsyncConnection,
    action: str,
    target: Mapping[str, Any],
    *,
    actor: str,
    via: Via,
    jobs: int | None = None,
    reason: str | None = None,
) -> int:
    """The same on an async connection."""
    parameters = _parameters(action, target, actor, via, jobs, reason)
    return int((await run_async(connection, _RECORD, parameters))[0][0])


def _parameters(
    action: str,
    target: Mapping[str, Any],
    actor: str,
    via: Via,
    jobs: int | None,
    reason: str | None,
) -> dict[str, Any]:
    told = {name: value for name, value in target.items() if value is not None}
    return {
        "actor": actor,
        "via": via,
        "action": action,
        "target": msgspec.json.encode(told).decode(),
        "jobs": jobs,
        "reason": reason,
    }
