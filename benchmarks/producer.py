"""A process that enqueues: as fast as it can for a while, or at a given pace."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict

from .process import DSN, await_go, orders, say
from .tasks import ARGS, FIELDS, app, noop, stamp

WARM_UP = 10
"""Acts before it counts: psycopg prepares a statement at the sixth."""
INSERT = "INSERT INTO pgqueue.job (task, args) VALUES (%s, %s) RETURNING id"
INSERT_TEXT = "INSERT INTO pgqueue.job (task, args) VALUES (:task, :args) RETURNING id"
UNNEST = """
INSERT INTO pgqueue.job (task, args)
SELECT task, args FROM unnest(%s::text[], %s::jsonb[]) AS job(task, args) RETURNING id
"""
COPY = "COPY pgqueue.job (task, args) FROM STDIN"
CHANNEL = "pgqueue_bench"

Act = Callable[[], Any]
Pause = Callable[[int], float]


def main() -> None:
    """Order: `act` and its `size`, with `seconds` for how long, or `number` and `pace` for when."""
    for order in orders():
        with acting(order["act"], order.get("size", 1)) as act:
            say(paced(act, order) if "pace" in order else repeated(act, order))


def repeated(act: Act, order: dict[str, Any]) -> dict[str, Any]:
    """Act again and again, for the seconds of the order."""
    seconds, size = order["seconds"], order.get("size", 1)
    for _ in range(WARM_UP if size == 1 else 1):
        act()
    await_go()
    count, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        act()
        count += 1
    return {"jobs": count * size, "seconds": elapsed}


def paced(act: Act, order: dict[str, Any]) -> dict[str, Any]:
    """Act at moments that come from the order, and note when each commit had returned."""
    await_go()
    committed = []
    for due in moments(time.monotonic(), order["number"], *order["pace"]):
        time.sleep(max(0.0, due - time.monotonic()))
        key = act()
        committed.append((key, time.monotonic_ns()))
    return {"committed": committed}


def moments(began: float, number: int, least: float, most: float) -> Iterator[float]:
    """So many moments, with a random time between `least` and `most` from one to the next."""
    due = began
    for _ in range(number):
        due += random.uniform(least, most)  # noqa: S311 - no secret
        yield due


@contextmanager
def acting(name: str, size: int) -> Iterator[Act]:
    """One commit of that kind, on a connection for the length of the block."""
    dsn = os.environ[DSN]
    if name in ON_AN_ENGINE:
        engine = sqlalchemy.create_engine(
            "postgresql+psycopg://", connect_args=dict(conninfo_to_dict(dsn))
        )
        try:
            yield ON_AN_ENGINE[name](engine)
        finally:
            engine.dispose()
        return
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield ON_A_CONNECTION[name](connection, size)


def _enqueue(connection: psycopg.Connection, _: int) -> Act:
    return lambda: noop.enqueue(connection, **FIELDS)


def _insert(connection: psycopg.Connection, _: int) -> Act:
    return lambda: connection.execute(INSERT, ("noop", ARGS)).fetchone()


def _enqueue_stamp(connection: psycopg.Connection, _: int) -> Act:
    return lambda: stamp.enqueue(connection, **FIELDS).id


def _notify(connection: psycopg.Connection, _: int) -> Act:
    numbers = iter(range(10**9))

    def act() -> int:
        number = next(numbers)
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(number)))
        return number

    return act


def _enqueue_many(connection: psycopg.Connection, size: int) -> Act:
    return lambda: app.enqueue_many(connection, (noop.job(**FIELDS) for _ in range(size)))


def _unnest(connection: psycopg.Connection, size: int) -> Act:
    return lambda: connection.execute(UNNEST, (["noop"] * size, [ARGS] * size)).fetchall()


def _copy_many(connection: psycopg.Connection, size: int) -> Act:
    return lambda: app.copy_many(connection, (noop.job(**FIELDS) for _ in range(size)))


def _copy(connection: psycopg.Connection, size: int) -> Act:
    def act() -> None:
        with connection.cursor().copy(COPY) as copy:
            for _ in range(size):
                copy.write_row(("noop", ARGS))

    return act


def _enqueue_by_sqlalchemy(engine: sqlalchemy.Engine) -> Act:
    def act() -> None:
        with engine.begin() as connection:
            noop.enqueue(connection, **FIELDS)

    return act


def _insert_by_sqlalchemy(engine: sqlalchemy.Engine) -> Act:
    statement = sqlalchemy.text(INSERT_TEXT)

    def act() -> None:
        with engine.begin() as connection:
            connection.execute(statement, {"task": "noop", "args": ARGS}).fetchone()

    return act


ON_A_CONNECTION: dict[str, Callable[[psycopg.Connection, int], Act]] = {
    "enqueue": _enqueue,
    "insert": _insert,
    "enqueue_many": _enqueue_many,
    "unnest": _unnest,
    "copy_many": _copy_many,
    "copy": _copy,
    "stamp": _enqueue_stamp,
    "notify": _notify,
}
ON_AN_ENGINE: dict[str, Callable[[sqlalchemy.Engine], Act]] = {
    "enqueue by sqlalchemy": _enqueue_by_sqlalchemy,
    "insert by sqlalchemy": _insert_by_sqlalchemy,
}

if __name__ == "__main__":
    main()
