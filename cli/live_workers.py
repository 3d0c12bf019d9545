"""Live workers by their name, for commands that ask something of them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from .errors import NOTHING_MATCHED, CommandError

if TYPE_CHECKING:
    import psycopg

    Row = dict[str, Any]

WORKERS = "SELECT w.id, w.name, w.state FROM pgqueue.workers AS w ORDER BY w.id"


def live_workers(connection: psycopg.Connection[Row], name: str) -> list[Row]:
    """The live workers of this name: several may share it. Raises CommandError without one."""
    rows = connection.execute(WORKERS).fetchall()
    live = [row for row in rows if row["state"] != "lost"]
    found = [row for row in live if row["name"] == name]
    if found:
        return found
    close = difflib.get_close_matches(name, [row["name"] for row in live], n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    lost = any(row["name"] == name for row in rows)
    raise CommandError(
        f"worker {name} is lost." if lost else f'there is no worker "{name}".{meant}',
        "Only a live worker hears what it is asked.",
        "pgqueue workers ls",
        exit_code=NOTHING_MATCHED,
    )
