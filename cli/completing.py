"""What the shell may complete from the database: names, quickly, and in silence when it is away."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

PATIENCE = 1
"""Seconds in which the database has to answer: a shell that hangs is worse than a dumb one."""
MOST = 200
_NAMES = {
    "queues": "SELECT q.name FROM pgqueue.queue q",
    "tasks": "SELECT unnest(w.tasks) FROM pgqueue.worker w UNION SELECT s.task"
    " FROM pgqueue.schedule s UNION (SELECT j.task FROM pgqueue.job j LIMIT 1000)",
    "schedules": "SELECT s.name FROM pgqueue.schedule s",
    "workers": "SELECT w.name FROM pgqueue.worker w",
    "limits": "SELECT r.name FROM pgqueue.limit_rule r",
}
_MATCHING = """
SELECT name FROM ({}) AS found(name) WHERE starts_with(name, %s)
GROUP BY name ORDER BY name LIMIT %s
"""
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete(kind: str) -> Complete:
    """What `shell_complete` of an option or argument wants: names of this kind."""

    def find(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
        names = _checks() if kind == "checks" else _in_time(lambda: _ask(context, kind, typed))
        return [CompletionItem(name) for name in names if name.startswith(typed)]

    return find


def _in_time(ask: Callable[[], list[str]]) -> list[str]:
    """The answer, or nothing when it is late: no timeout of a driver covers every way to wait."""
    found: list[str] = []

    def try_to() -> None:
        # Whatever it is, the shell must not hear of it.
        with contextlib.suppress(Exception, SystemExit):
            found.extend(ask())

    asking = threading.Thread(target=try_to, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return list(found)


def _checks() -> list[str]:
    from pgqueue.doctor import CHECKS

    return [check.name for check in CHECKS]


def _ask(context: click.Context, kind: str, typed: str) -> list[str]:
    import psycopg

    from .session import Session

    dsn = context.find_root().ensure_object(Session).database_dsn
    query = _MATCHING.format(_NAMES[kind])
    options: dict[str, Any] = {"connect_timeout": 2, "application_name": "pgqueue cli"}
    with psycopg.connect(dsn, prepare_threshold=None, **options) as connection:
        connection.execute("SELECT set_config('statement_timeout', '1s', true)")
        return [name for (name,) in connection.execute(query.encode(), [typed, MOST])]
