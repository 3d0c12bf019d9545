"""Enqueueing: one job a commit and many at once, each beside raw INSERTs of the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from .tasks import ARGS, app, noop

SECONDS = 3.0
MANY = 1_000
ROUNDS_OF_MANY = 20

INSERT = "INSERT INTO pgqueue.job (task, args) VALUES (%s, %s) RETURNING id"
INSERT_MANY = """
INSERT INTO pgqueue.job (task, args)
SELECT task, args FROM unnest(%s::text[], %s::jsonb[]) AS job(task, args) RETURNING id
"""
FIELDS = {"to": "user1@example.com", "subject": "hello world number 1"}


def floor(dsn: str) -> float:
    return _per_second(
        dsn, lambda connection: connection.execute(INSERT, ("noop", ARGS)).fetchone()
    )


def one_by_one(dsn: str) -> float:
    return _per_second(dsn, lambda connection: noop.enqueue(connection, **FIELDS))


def floor_in_bulk(dsn: str) -> float:
    parameters = (["noop"] * MANY, [ARGS] * MANY)
    return MANY * _repeated(
        dsn, lambda connection: connection.execute(INSERT_MANY, parameters).fetchall()
    )


def in_bulk(dsn: str) -> float:
    return MANY * _repeated(
        dsn,
        lambda connection: app.enqueue_many(connection, (noop.job(**FIELDS) for _ in range(MANY))),
    )


def _per_second(dsn: str, act: Callable[[psycopg.Connection], object]) -> float:
    """How often it is done in a second, each time committed, on one connection."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE pgqueue.job")
        for _ in range(10):
            act(connection)
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            act(connection)
            count += 1
        return count / (time.perf_counter() - began)


def _repeated(dsn: str, act: Callable[[psycopg.Connection], object]) -> float:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE pgqueue.job")
        act(connection)
        began = time.perf_counter()
        for _ in range(ROUNDS_OF_MANY):
            act(connection)
        return ROUNDS_OF_MANY / (time.perf_counter() - began)
