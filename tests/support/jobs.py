"""Short ways to bring jobs and workers into a state, and to look at them."""

from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[Any]
Row = dict[str, Any]


def rows(connection: Connection, query: str, *parameters: Any) -> list[Row]:
    """The rows of a query, as dictionaries."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def row(connection: Connection, query: str, *parameters: Any) -> Row:
    """The only row of a query."""
    (only,) = rows(connection, query, *parameters)
    return only


def values(connection: Connection, query: str, *parameters: Any) -> list[Any]:
    """The only column of a query."""
    return [next(iter(row.values())) for row in rows(connection, query, *parameters)]


def value(connection: Connection, query: str, *parameters: Any) -> Any:
    """The only value of a query."""
    (only,) = values(connection, query, *parameters)
    return only


def enqueue(connection: Connection, task: str = "t", **options: Any) -> int:
    """Enqueue a job with the options of pgqueue.enqueue; its id."""
    named = {
        name: Jsonb(option) if isinstance(option, dict) else option
        for name, option in options.items()
    }
    arguments = "".join(f", {name} => %s" for name in named)
    return int(value(connection, f"SELECT pgqueue.enqueue(%s{arguments})", task, *named.values()))


def register(connection: Connection, **fields: Any) -> int:
    """Register a worker of queue "default" (unless told otherwise); its id."""
    given = {
        "name": "w",
        "host": "h",
        "pid": 1,
        "version": "0",
        "queues": ["default"],
        "tasks": ["t"],
        "concurrency": 1,
        "lease_for": "15 seconds",
    } | fields
    arguments = ", ".join(
        f"{name} => %s::interval" if name == "lease_for" else f"{name} => %s" for name in given
    )
    return int(value(connection, f"SELECT pgqueue.register({arguments})", *given.values()))


def claim(
    connection: Connection,
    worker: int,
    n: int = 1,
    queue: str = "default",
    *,
    unknown: tuple[str, ...] = (),
    priorities: tuple[int, ...] = tuple(range(10, -11, -1)),
    after: tuple[int, int] = (0, 0),
) -> list[Row]:
    """Claim up to n jobs, from the beginning of the line unless told where to start after."""
    found = sentinel_or_claimed(connection, worker, n, queue, unknown, priorities, after)
    return [found_row for found_row in found if found_row["id"] is not None]


def sentinel_or_claimed(
    connection: Connection,
    worker: int,
    n: int,
    queue: str = "default",
    unknown: tuple[str, ...] = (),
    priorities: tuple[int, ...] = (0,),
    after: tuple[int, int] = (0, 0),
) -> list[Row]:
    """What pgqueue.claim returns, its last row included, which is no job."""
    xids, ids = [after[0]] * len(priorities), [after[1]] * len(priorities)
    return rows(
        connection,
        "SELECT * FROM pgqueue.claim(%s, %s, %s, %s, %s::smallint[], %s::bigint[], %s::bigint[])",
        queue,
        n,
        worker,
        list(unknown),
        list(priorities),
        xids,
        ids,
    )


def claim_gated(
    connection: Connection,
    worker: int,
    n: int = 100,
    queue: str = "default",
    *,
    unknown: tuple[str, ...] = (),
) -> list[Row]:
    """Claim up to n jobs that go through the gate."""
    query = "SELECT * FROM pgqueue.claim_gated(%s, %s, %s, %s)"
    found = rows(connection, query, queue, n, worker, list(unknown))
    return [claimed for claimed in found if claimed["id"] is not None]


def claim_one(connection: Connection, worker: int | None = None, queue: str = "default") -> Row:
    """Claim the first job in line; registers a worker for it unless given one."""
    if worker is None:
        worker = register(connection, queues=[queue])
    (claimed,) = claim(connection, worker, 1, queue)
    return claimed


def job(connection: Connection, id: int) -> Row | None:
    """The job as the view pgqueue.jobs shows it, or None."""
    found = rows(connection, "SELECT * FROM pgqueue.jobs WHERE id = %s", id)
    assert len(found) <= 1, f"job {id} is in {len(found)} places"
    return found[0] if found else None


def existing_job(connection: Connection, id: int) -> Row:
    """The same for a job that must be there."""
    found = job(connection, id)
    assert found is not None, f"there is no job {id}"
    return found


def state(connection: Connection, id: int) -> str | None:
    """The job's state, or None when there is no such job."""
    found = job(connection, id)
    return found["state"] if found else None


def expire(connection: Connection, worker: int) -> None:
    """Let a worker's heartbeat have stopped an hour ago."""
    connection.execute(
        "UPDATE pgqueue.worker SET seen_at = now() - interval '1 hour' WHERE id = %s", [worker]
    )


def rescue(connection: Connection, *, thorough: bool = False) -> list[Row]:
    """Rescue the jobs of lost workers: a row for each."""
    return rows(connection, "SELECT * FROM pgqueue.rescue(%s)", thorough)


def complete(
    connection: Connection, *claimed: Row, queue: str = "default", results: object = None
) -> int:
    """Complete claimed jobs; how many it were."""
    ordered = sorted(claimed, key=lambda found: int(found["id"]))
    return int(
        value(
            connection,
            "SELECT pgqueue.complete(%s, %s::bigint[], %s::bigint[], %s)",
            queue,
            [found["id"] for found in ordered],
            [found["lease"] for found in ordered],
            None if results is None else Jsonb(results),
        )
    )


def refuse(connection: Connection, table: str, statement: str) -> None:
    """Have a trigger refuse every INSERT, UPDATE or DELETE of a table of the schema."""
    connection.execute(
        """
        CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'no, by a trigger' USING ERRCODE = 'unique_violation';
        END
        $$
        """
    )
    connection.execute(
        f"CREATE TRIGGER refuses BEFORE {statement} ON pgqueue.{table} "
        "FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )
