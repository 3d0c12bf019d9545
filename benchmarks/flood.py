"""A process that keeps some tens of thousands of jobs waiting, whatever the worker does."""

from __future__ import annotations

import os
import signal
import time

import psycopg

from .counter import Counter
from .process import DSN, await_go, orders, say
from .tasks import ARGS

SIZE = 1_000
INSERT = """
INSERT INTO pgqueue.job (task, args) SELECT 'noop', %s::jsonb FROM generate_series(1, %s::integer)
"""
PAUSE = 0.005


class Ended(Exception):
    """It was asked to stop."""


def main() -> None:
    """Order: `counter`, where the worker says how many it began, and the `most` to keep waiting."""
    order = next(orders())
    inserted, parent = 0, os.getppid()
    signal.signal(signal.SIGTERM, _end)
    try:
        with (
            Counter(order["counter"]) as counter,
            psycopg.connect(os.environ[DSN], autocommit=True) as connection,
        ):
            while inserted < order["most"] // 2:
                inserted += _insert(connection)
            await_go()
            while os.getppid() == parent:
                if inserted - counter.value + SIZE <= order["most"]:
                    inserted += _insert(connection)
                else:
                    time.sleep(PAUSE)
    except Ended:
        say({"jobs": inserted})


def _insert(connection: psycopg.Connection) -> int:
    connection.execute(INSERT, (ARGS, SIZE))
    return SIZE


def _end(*_: object) -> None:
    raise Ended


if __name__ == "__main__":
    main()
