"""What claims and completions cost in pages and in write-ahead log: counted, so no clock is asked.

Bounds are about one and a half times what was counted on PostgreSQL 14 to 18.
"""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support import claim, register
from tests.support.scanning import Cost, Scanner, cost

Connection = psycopg.Connection[Any]
BATCH = 100
COMPLETE = "SELECT pgqueue.complete('default', %s::bigint[], %s::bigint[])"
FILL = """
    INSERT INTO pgqueue.job (task, args)
    SELECT 'task', jsonb_build_object('text', repeat('x', 100)) FROM generate_series(1, %s)
"""


def least(connection: Connection, run: Callable[[], Cost]) -> Cost:
    """Of several rounds with BATCH jobs in a tidy table. Those do not count that had to log images
    of whole pages, as after a checkpoint.
    """
    found = []
    for _ in range(12):
        connection.execute(FILL, [BATCH])
        found.append(run())
        connection.execute("DELETE FROM pgqueue.job")
        connection.execute("VACUUM pgqueue.job")
    counted = [cost for cost in found if cost.wal_images == 0]
    assert counted, "a checkpoint in every round"
    return Cost(min(c.buffers for c in counted), min(c.wal_bytes for c in counted), 0)


@pytest.mark.parametrize("hot", [True, False])
def test_a_claim_touches_few_pages_and_logs_little(connection: Connection, hot: bool) -> None:
    """Counted: 3.3 to 4.3 pages and 175 bytes a job; without HOT updates 12 pages, 490 bytes."""
    if not hot:
        connection.execute("CREATE INDEX ON pgqueue.job (lease)")
    scanner = Scanner(connection, register(connection))
    found = least(connection, lambda: scanner.cost_of_claim(BATCH))
    assert (found.buffers <= 6.5 * BATCH) is hot, found
    assert (found.wal_bytes <= 265 * BATCH) is hot, found


@pytest.mark.parametrize(
    ("keep", "pages", "wal_bytes"),
    [
        pytest.param("7 days", 7.8, 570, id="kept"),  # counted: 4.2 to 5.2 pages, 380 bytes
        pytest.param(None, 3.2, 92, id="deleted"),  # counted: 1.1 to 2.1 pages, 61 bytes
    ],
)
def test_a_completion_touches_few_pages_and_logs_little(
    connection: Connection, keep: str | None, pages: float, wal_bytes: int
) -> None:
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = %s", [keep])
    worker = register(connection)

    def complete() -> Cost:
        claimed = sorted(
            (found["id"], found["lease"]) for found in claim(connection, worker, BATCH)
        )
        ids, leases = zip(*claimed, strict=True)
        return cost(connection, COMPLETE, list(ids), list(leases))

    found = least(connection, complete)
    assert found.buffers <= pages * BATCH, found
    assert found.wal_bytes <= wal_bytes * BATCH, found
