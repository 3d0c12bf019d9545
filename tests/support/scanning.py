"""A claimer in one's own hands: its clock is set by the test, and each claim tells what it read."""

from dataclasses import dataclass, field
from typing import Any

import psycopg

from pgqueue.job import PRIORITIES
from pgqueue.worker.watermark import Snapshot, Watermark
from tests.support.jobs import Connection, Row, complete, rows

CLAIM = "SELECT * FROM pgqueue.claim(%s, %s, %s, '{}', %s::smallint[], %s::bigint[], %s::bigint[])"


@dataclass
class Cost:
    """What a statement did, by the server's own count; nested statements included."""

    buffers: int
    wal_bytes: int
    wal_images: int


def cost(connection: Connection, query: str, *parameters: Any) -> Cost:
    """Run a statement for what it costs. It must have no other reason to be run."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON) {query}"
    cursor = psycopg.ClientCursor(connection)
    row = cursor.execute(explain.encode(), parameters).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    kinds = ("Hit", "Read", "Dirtied")
    return Cost(
        sum(plan[f"Shared {kind} Blocks"] for kind in kinds), plan["WAL Bytes"], plan["WAL FPI"]
    )


@dataclass
class Scanner:
    """Claims from queue "default" with a watermark, as a worker's claimer does."""

    connection: Connection
    worker: int
    watermark: Watermark = field(default_factory=Watermark)
    now: float = 0.0

    def claim(self, most: int) -> list[Row]:
        """Up to `most` jobs from one scan."""
        *jobs, end = rows(self.connection, CLAIM, *self._parameters(most))
        self.watermark.learn(
            [(job["priority"], job["ready_xid"], job["id"]) for job in jobs],
            snapshot=Snapshot.parse(end["snapshot"]),
            epoch=end["epoch"],
            exhausted=len(jobs) < most,
            now=self.now,
            took=0.0,
        )
        return jobs

    def cost_of_claim(self, most: int, *, from_the_beginning: bool = False) -> Cost:
        """What the next scan would cost, without claiming anything."""
        parameters = self._parameters(most)
        if from_the_beginning:
            parameters[-2:] = [[0] * len(PRIORITIES)] * 2
        with self.connection.transaction(force_rollback=True):
            return cost(self.connection, CLAIM, *parameters)

    def work_off(self, *, batch: int = 500) -> int:
        """Claim and complete until a scan finds nothing; how many jobs that were."""
        done = 0
        while claimed := self.claim(batch):
            done += complete(self.connection, *claimed)
        return done

    def _parameters(self, most: int) -> list[Any]:
        places = self.watermark.begin(self.now)
        xids, ids = [xid for xid, _ in places], [id for _, id in places]
        return ["default", most, self.worker, list(PRIORITIES), xids, ids]
