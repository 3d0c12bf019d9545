"""`pgqueue audit`: who did what by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .output import print_ids, print_json_list, print_table, text_of_instant
from .session import Session
from .values import PAST, Moment

if TYPE_CHECKING:
    Row = dict[str, Any]

AUDIT = """
SELECT a.id, a.at, a.actor, a.via, a.action, a.target, a.jobs, a.reason
FROM pgqueue.audit_log AS a
WHERE (CAST(%(before)s AS bigint) IS NULL OR a.id < %(before)s)
  AND (CAST(%(since)s AS timestamptz) IS NULL OR a.at >= %(since)s)
  AND (CAST(%(offset)s AS interval) IS NULL OR a.at >= now() + %(offset)s)
ORDER BY a.id DESC LIMIT %(limit)s
"""
COLUMNS = (">#", "at", "who", "via", "action", ">jobs", "target")


@click.command()
@click.option("--since", type=PAST, help="Not older than that: 1h, 2026-11-22.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most."
)
@click.option("--after", "cursor", metavar="CURSOR", type=int, help="Where the last page ended.")
@click.pass_obj
def audit(session: Session, since: Moment | None, limit: int, cursor: int | None) -> None:
    """Who did what by hand, the latest first.

    Records are kept for 90 days.
    """
    parameters = {
        "before": cursor,
        "since": None if since is None else since.at,
        "offset": None if since is None else since.offset,
        "limit": limit + 1,
    }
    with session.connect() as connection, session.transaction(connection):
        rows = connection.execute(AUDIT.encode(), parameters).fetchall()
    more, rows = len(rows) > limit, rows[:limit]
    following = rows[-1]["id"] if more else None
    if session.as_json:
        print_json_list(rows, following)
    elif session.quiet:
        print_ids(row["id"] for row in rows)
    else:
        print_table(session, COLUMNS, map(_cells, rows), "Nobody did anything by hand.")
        if following is not None:
            session.note(f"There are more: --after {following}")


def _cells(row: Row) -> list[object]:
    target = ", ".join(f"{name} {_shown(value)}" for name, value in row["target"].items())
    why = f": {row['reason']}" if row["reason"] else ""
    at = text_of_instant(row["at"])
    return [row["id"], at, row["actor"], row["via"], row["action"], row["jobs"], f"{target}{why}"]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
