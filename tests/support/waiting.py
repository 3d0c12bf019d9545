"""Wait for a condition instead of a time."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, what: str = "", within: float = 20.0) -> T:
    """Ask until the answer is true, and return it; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened within {within:g} s: {what or condition}")
        time.sleep(0.01)
    return answer


def wait_until_blocked(connection: psycopg.Connection[Any], pid: int) -> None:
    """Return once the backend with this process id waits for a lock that another one holds."""

    def is_blocked() -> bool:
        row = connection.execute("SELECT cardinality(pg_blocking_pids(%s))", [pid]).fetchone()
        return row is not None and row[0] > 0

    eventually(is_blocked, what=f"backend {pid} waits for a lock")


def heard(connection: psycopg.Connection[Any], channel: str) -> list[str]:
    """The payloads that came on a channel, to which the connection listens, up to this moment."""
    connection.execute("SELECT pg_notify(%s, 'up to here')", [channel])
    payloads: list[str] = []
    for note in connection.notifies(timeout=20):
        if note.payload == "up to here":
            return payloads
        payloads.append(note.payload)
    raise AssertionError(f"notifications on {channel} do not arrive")
