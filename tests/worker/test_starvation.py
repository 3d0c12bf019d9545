"""Every committed job ends exactly once, whatever transactions, retries and claimers do."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

import psycopg
import pytest

from pgqueue.database.link import Link
from pgqueue.worker.claimer import Claim, Claimer
from tests.support.jobs import Connection, rows, value

CLAIMERS, ENQUEUERS = 4, 8
CLAIM = """
    SELECT pgqueue.claim('default', %s, %s, '{}', '{10,1,0,-1}', '{0,0,0,0}', '{0,0,0,0}')
"""
RETRY = "SELECT pgqueue.fail(%s, %s, '20 ms', 'E', 'm')"
RELEASE = "SELECT pgqueue.release(ARRAY[%s::bigint], ARRAY[%s::bigint])"
COMPLETE = "SELECT pgqueue.complete('default', %s::bigint[], %s::bigint[])"
LIVE = "SELECT count(*) FROM pgqueue.job"


class Crew:
    """Claimers that work off one queue, and what they did."""

    def __init__(self, dsn: str, worker: int, released: float) -> None:
        self._dsn = dsn
        self._worker = worker
        self._released = released
        self._releasing = asyncio.Lock()
        self.over = asyncio.Event()
        self.did: Counter[str] = Counter()

    async def claim_and_work(self, seed: int) -> None:
        """Until it is over."""
        chance = random.Random(seed)
        link = Link(self._dsn, "claimer", report=lambda *_: None)
        claimer = Claimer(link, ["default"], lambda: self._worker)
        own = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
        async with own:
            while not self.over.is_set():
                claims = await claimer.claim("default", chance.choice((1, 5, 20)))
                await self._work(own, claims, chance)
                await asyncio.sleep(chance.choice((0, 0, 0.001, 0.01)))
        await link.drop()

    async def claim_and_die(self) -> None:
        """A claim by somebody who locks rows, is passed by the others, and never commits. Nobody
        else learns from that, so only full scans find what was locked.
        """
        chance = random.Random(CLAIMERS)
        async with await psycopg.AsyncConnection.connect(self._dsn) as own:
            while not self.over.is_set():
                cursor = await own.execute(CLAIM, [chance.choice((1, 5, 20)), self._worker])
                self.did["aborted"] += cursor.rowcount > 1
                await asyncio.sleep(chance.choice((0, 0.01, 0.1)))  # locked for so long
                await own.rollback()
                await asyncio.sleep(0.05)

    async def promote(self) -> None:
        """Make retries ready, as the janitor does."""
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as own:
            while not self.over.is_set():
                await own.execute("SELECT pgqueue.promote()")
                await asyncio.sleep(0.02)

    async def _work(
        self, own: psycopg.AsyncConnection[Any], claims: list[Claim], chance: random.Random
    ) -> None:
        done: list[Claim] = []
        for claim in claims:
            luck = chance.random()
            if luck < 0.05:
                await own.execute(RETRY, [claim.id, claim.lease])
                self.did["failed"] += 1
            elif luck < 0.05 + self._released:
                async with self._releasing:  # two at once may raise the epoch only once
                    await own.execute(RELEASE, [claim.id, claim.lease])
                self.did["released"] += 1
            else:
                done.append(claim)
        if done:
            done.sort(key=lambda claim: claim.id)
            pairs = [[claim.id for claim in done], [claim.lease for claim in done]]
            cursor = await own.execute(COMPLETE, pairs)
            assert await cursor.fetchone() == (len(done),)
            self.did["completed"] += len(done)


def enqueue_late(dsn: str, seed: int, until: float) -> list[int]:
    """Transactions that stay open for up to two seconds; the ids of those that were committed."""
    chance = random.Random(seed)
    committed: list[int] = []
    with psycopg.connect(dsn) as own:
        while time.monotonic() < until:
            ids = []
            for _ in range(chance.choice((1, 1, 5, 30))):
                priority = chance.choice((-1, 0, 1, 10))
                enqueue = "SELECT pgqueue.enqueue('t', priority => %s)"
                ids.append(own.execute(enqueue, [priority]).fetchone()[0])  # type: ignore[index]
            time.sleep(chance.choice((0, 0, 0.01, 0.05, 0.2, chance.uniform(0, 2))))
            if chance.random() < 0.1:
                own.rollback()
            else:
                own.commit()
                committed += ids
    return committed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("aborted", "released", "full_scan"),
    [
        # Nothing makes claimers look from the beginning, which would cover up for mistakes.
        pytest.param(False, 0.0, 3600.0, id="late commits"),
        pytest.param(True, 0.0, 1.0, id="claims are rolled back"),
        pytest.param(True, 0.05, 1.0, id="everything"),
    ],
)
async def test_every_committed_job_ends_once(
    connection: Connection,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    aborted: bool,
    released: float,
    full_scan: float,
) -> None:
    monkeypatch.setattr("pgqueue.worker.watermark.FULL_SCAN", full_scan)
    register = "SELECT pgqueue.register('w', 'h', 1, '0', '{default}', '{t}', 1, '1 hour')"
    crew = Crew(dsn, value(connection, register), released)
    working = [asyncio.create_task(crew.promote())]
    working += [asyncio.create_task(crew.claim_and_work(seed)) for seed in range(CLAIMERS)]
    if aborted:
        working.append(asyncio.create_task(crew.claim_and_die()))
    until = time.monotonic() + 3
    committed = await asyncio.gather(
        *(asyncio.to_thread(enqueue_late, dsn, seed, until) for seed in range(ENQUEUERS))
    )
    patience = time.monotonic() + 10
    while value(connection, LIVE) and time.monotonic() < patience:
        await asyncio.sleep(0.01)
    crew.over.set()
    await asyncio.gather(*working)
    assert rows(connection, "SELECT * FROM pgqueue.job") == []
    ended = [found["id"] for found in rows(connection, "SELECT id FROM pgqueue.job_done")]
    assert sorted(ended) == sorted(id for ids in committed for id in ids)
    assert crew.did["completed"] == len(ended)
    did = {kind for kind, often in crew.did.items() if often}
    accidents = {"aborted": aborted, "released": released}
    assert did == {"completed", "failed"} | {kind for kind, share in accidents.items() if share}
