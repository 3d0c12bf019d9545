"""An account of what jobs really did, kept apart from the queue's own: starts and effects.

There are no unique constraints, so that doubles show.
"""

from typing import Any

import psycopg

from tests.support.jobs import rows, value, values

Connection = psycopg.Connection[Any]


def create_oracle(connection: Connection) -> None:
    """A row in `start` when a handler is entered, in `effect` in its completion transaction."""
    connection.execute("CREATE SCHEMA oracle")
    for table in ("start", "effect"):
        connection.execute(
            f"CREATE TABLE oracle.{table} (job_id bigint, attempt int, lease bigint, pid int, "
            "at timestamptz DEFAULT clock_timestamp())".encode()
        )


def starts(connection: Connection, job_id: int | None = None) -> int:
    """How often handlers were entered, for one job or all."""
    query = "SELECT count(*) FROM oracle.start WHERE job_id = coalesce(%s, job_id)"
    return int(value(connection, query, job_id))


def effects(connection: Connection, job_id: int | None = None) -> int:
    """How many effects were committed, for one job or all."""
    query = "SELECT count(*) FROM oracle.effect WHERE job_id = coalesce(%s, job_id)"
    return int(value(connection, query, job_id))


def assert_exactly_once(connection: Connection, jobs: int) -> None:
    """Every one of so many jobs succeeded and has exactly one effect, made under its last lease."""
    states = rows(connection, "SELECT state, count(*) FROM pgqueue.jobs GROUP BY state")
    assert states == [{"state": "succeeded", "count": jobs}]
    doubled = values(
        connection, "SELECT job_id FROM oracle.effect GROUP BY job_id HAVING count(*) > 1"
    )
    assert doubled == []
    assert effects(connection) == jobs
    stale = values(
        connection,
        "SELECT e.job_id FROM oracle.effect e JOIN pgqueue.job_done d ON d.id = e.job_id "
        "WHERE e.lease IS DISTINCT FROM d.lease",
    )
    assert stale == []
