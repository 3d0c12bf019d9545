"""What workers know of their tasks: written when it differs, found by any name."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.support import expire, register, row, value

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
DECLARE = "SELECT pgqueue.declare_tasks(%s)"


def declared(task: str = "t", **others: Any) -> dict[str, Any]:
    return {
        "task": task,
        "aliases": [],
        "queue": "default",
        "signature": f"{task}()",
        "doc": None,
        "schema": {"type": "object"},
        "redact": [],
        "max_attempts": 20,
        "priority": 0,
        "timeout": "60 seconds",
        "cron": None,
        "version": "0.1.0",
    } | others


def test_only_what_differs_is_written(connection: Connection, guard: Guard) -> None:
    """A thousand workers that start at once must not queue up for the same rows."""
    guarded = guard("declare_tasks", "WHERE k.task = g.task", "WHERE false")
    both = [declared("a"), declared("b")]
    assert value(connection, DECLARE, Jsonb(both)) == 2
    assert value(connection, DECLARE, Jsonb(both)) == (0 if guarded else 2)
    times = "SELECT declared_at, changed_at FROM pgqueue.tasks WHERE name = 'a'"
    before = row(connection, times)
    changed = [declared("a", timeout=None, redact=["card"]), declared("b")]
    assert value(connection, DECLARE, Jsonb(changed)) == (1 if guarded else 2)
    after = row(connection, times)
    assert after["declared_at"] == before["declared_at"]
    assert after["changed_at"] > before["changed_at"]
    found = row(connection, "SELECT * FROM pgqueue.tasks WHERE name = 'a'")
    assert (found["timeout"], found["redact"], found["workers"]) == (None, ["card"], 0)


def test_live_workers_that_know_it_are_counted(connection: Connection) -> None:
    connection.execute(DECLARE, [Jsonb([declared()])])
    register(connection)
    expire(connection, register(connection))
    register(connection, tasks=["other"])
    assert value(connection, "SELECT workers FROM pgqueue.tasks") == 1


def test_a_renamed_task_keeps_its_secrets(connection: Connection) -> None:
    connection.execute(DECLARE, [Jsonb([declared("new", aliases=["old"], redact=["card"])])])
    redactions = "SELECT pgqueue.redactions(%s)"
    assert value(connection, redactions, "new") == ["card"]
    assert value(connection, redactions, "old") == ["card"]
    assert value(connection, redactions, "unknown") == []
