"""What a command does is recorded in the transaction that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .who import operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    Row = dict[str, Any]


def record(
    connection: psycopg.Connection[Row],
    action: str,
    target: Mapping[str, Any],
    *,
    jobs: int | None = None,
    reason: str | None = None,
) -> int:
    """Record what this program does for whoever calls it. Returns the number of the record."""
    from pgqueue.audit import record_action

    return record_action(
        connection, action, target, actor=operator(), via="cli", jobs=jobs, reason=reason
    )


def audited(numbers: list[int]) -> str:
    """What is printed of records: `audit #88`, or `audit #88 to #91`."""
    if not numbers:
        return ""
    last = f" to #{numbers[-1]}" if len(numbers) > 1 else ""
    return f"audit #{numbers[0]}{last}"
