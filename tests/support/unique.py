"""Enqueue with a unique key, and look at who has it."""

from typing import Any

from psycopg.types.json import Jsonb

from tests.support.jobs import Connection, Row, row, values

PUT = "SELECT job_id, created FROM pgqueue.enqueue_with(%s, flow => %s{})"


def put(
    connection: Connection,
    key: str = "k",
    *,
    task: str = "t",
    flow: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **unique: Any,
) -> tuple[int, bool]:
    """Enqueue a job with this key, and other fields of unique (`while_` is while, `for_` is for).
    Its id, and whether it is a new one.
    """
    fields = {"key": key} | {name.rstrip("_"): value for name, value in unique.items()}
    named = {
        name: Jsonb(option) if isinstance(option, dict) else option
        for name, option in (options or {}).items()
    }
    query = PUT.format("".join(f", {name} => %s" for name in named))
    found = row(connection, query, task, Jsonb({"unique": fields} | (flow or {})), *named.values())
    return found["job_id"], found["created"]


def live(connection: Connection, task: str = "t") -> list[Row]:
    """The ids of a task's live jobs."""
    return values(connection, "SELECT id FROM pgqueue.job WHERE task = %s ORDER BY id", task)


def keys(connection: Connection) -> list[tuple[str, int]]:
    """Each key with the job that took it last."""
    return [
        tuple(found)
        for found in connection.execute(
            "SELECT key, job_id FROM pgqueue.unique_key ORDER BY task, key"
        ).fetchall()
    ]
