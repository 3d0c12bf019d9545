"""The server itself: how far away, how old, and whether it takes writes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from psycopg.rows import tuple_row

from ..wording import text_of_seconds
from .database import Database
from .finding import Finding, ok, problem, warning

ROUNDS = 3
FAR = 0.05
"""Seconds of a round trip after which each claim and each heartbeat feels it."""
SKEWED = 2.0
"""Seconds between the clocks after which times in logs and times in the database confuse."""
OLDEST, NEWEST = 14, 18
CLOCK = "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision) AS now"
STATE = """
SELECT current_setting('server_version') AS shown,
       CAST(current_setting('server_version_num') AS integer) / 10000 AS major,
       pg_is_in_recovery() AS standby
"""


def connection(database: Database) -> Iterator[Finding]:
    """Measure the round trip, and what it leaves open about the difference of the clocks."""
    best, ahead = _measure(database)
    info = database.connection.info
    where = f"{info.dbname} at {info.host or 'a local socket'}:{info.port}"
    bound = best / 2
    clock = f"its clock is {_difference(ahead)}, give or take {bound * 1000:.1f} ms"
    if abs(ahead) <= bound:
        clock = f"the clocks agree to {bound * 1000:.1f} ms"
    text = f"{where}, round trip {best * 1000:.1f} ms, {clock}."
    if abs(ahead) - bound > SKEWED:
        fix = "let both machines keep time, as chrony does; the queue goes by the server's clock"
        yield warning(text, fix)
    elif best > FAR:
        yield warning(text, "run workers near the database: each claim costs a round trip")
    else:
        yield ok(text)


def _measure(database: Database) -> tuple[float, float]:
    """The shortest round trip, and how far the server's clock was ahead of ours in it."""
    found: list[tuple[float, float]] = []
    with (
        database.connection.transaction(),
        database.connection.cursor(row_factory=tuple_row) as ask,
    ):
        for _ in range(ROUNDS):
            before, start = time.time(), time.monotonic()
            ((now,),) = ask.execute(CLOCK).fetchall()
            took = time.monotonic() - start
            found.append((took, now - (before + took / 2)))
    return min(found)


def _difference(ahead: float) -> str:
    return f"{text_of_seconds(abs(ahead))} {'ahead' if ahead >= 0 else 'behind'}"


def server(database: Database) -> Iterator[Finding]:
    """Look at the version and the role of the server."""
    found = database.row(STATE)
    yield judge(found["shown"], found["major"], found["standby"])


def judge(shown: str, major: int, standby: bool) -> Finding:
    """What a server of this version, a standby or not, is good for."""
    if major < OLDEST:
        text = f"PostgreSQL {shown} is older than {OLDEST}, which pgqueue needs."
        return problem(text, f"upgrade the server to {OLDEST} or later")
    if standby:
        text = f"PostgreSQL {shown} is a standby in recovery: it takes no jobs and no workers."
        return problem(text, "point the DSN at the primary server")
    if major > NEWEST:
        text = f"PostgreSQL {shown} is newer than what this release was tested with ({NEWEST})."
        return warning(text, "look for a newer pgqueue")
    return ok(f"PostgreSQL {shown}, not in recovery.")
