"""What a worker tells the database of its tasks, for those who have only the database."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from ..application import Application
from ..task import Task

MOST_DOC = 10_000
"""Characters of a docstring."""


def declarations(app: Application) -> str:
    """The tasks of an application as `pgqueue.declare_tasks` takes them."""
    release = version("pgqueue")
    found = [_declaration(app, app.tasks[name], release) for name in sorted(app.tasks)]
    return msgspec.json.encode(_storable(msgspec.to_builtins(found))).decode()


def _storable(value: Any) -> Any:
    """The same without the character that PostgreSQL's documents cannot hold."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _declaration(app: Application, task: Task[..., Any], release: str) -> dict[str, Any]:
    definition = task.definition
    times = app.schedules.get(task.name)
    return {
        "task": task.name,
        "aliases": definition.aliases,
        "queue": task.options.queue,
        "signature": task.signature_text,
        "doc": (task.__doc__ or "").strip()[:MOST_DOC] or None,
        "schema": _schema(task),
        "redact": definition.redact,
        "max_attempts": task.options.max_attempts,
        "priority": task.options.priority,
        "timeout": _interval(task),
        "cron": None if times is None else times.cron,
        "version": release,
    }


def _schema(task: Task[..., Any]) -> dict[str, Any] | None:
    try:
        schema = task.definition.arguments.json_schema()
        msgspec.json.encode(schema)
    except Exception:  # noqa: BLE001 - models of users are asked
        return None
    return schema


def _interval(task: Task[..., Any]) -> str | None:
    limit = task.definition.timeout
    return None if limit is None else f"{limit.total_seconds():f} seconds"
