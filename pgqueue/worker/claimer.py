"""Claims jobs: the next ones in line, each with a lease that proves the right to run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec
import psycopg

from ..database.link import Link
from ..database.statement import Statement
from ..job import PRIORITIES
from .watermark import Snapshot, Watermark

_CLAIM = Statement("claim")
_PRIORITIES = "{" + ",".join(map(str, PRIORITIES)) + "}"
_STRAYS = Statement("strays")
NOT_REGISTERED = "PQ001"
"""SQLSTATE of a claim by a worker that was rescued."""
DOUBTS = (0.0, 20.0, 60.0)
"""Seconds after a claim whose answer was lost at which to look whether it took place after all."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A claimed job, as the database gave it; its documents are text until they are decoded."""

    queue: str
    id: int
    lease: int
    task: str
    args: str
    attempt: int
    max_attempts: int
    priority: int
    ready_xid: int
    due: float
    waited: float
    timeout: float | None
    tags: list[str] | None
    meta: str | None
    progress: str | None


class Claimer:
    """Claims for one worker process, from as many queues as it serves."""

    def __init__(self, link: Link, queues: Iterable[str], worker_id: Callable[[], int]) -> None:
        self._link = link
        self._worker_id = worker_id
        self._watermarks = {queue: Watermark() for queue in queues}
        self._paused: set[str] = set()
        self._unknown: set[str] = set()
        self._doubts: list[float] = []

    def forget(self) -> None:
        """Look from the beginning again, as after a reconnect to what may be another server."""
        self._watermarks = {queue: Watermark() for queue in self._watermarks}

    def skip(self, task: str) -> bool:
        """Leave jobs of this task to workers that know it. Returns whether that is news."""
        news = task not in self._unknown
        self._unknown.add(task)
        return news

    def looks_back(self, queue: str) -> bool:
        """Whether there may be jobs behind the place where the last claim ended."""
        return queue not in self._paused and self._watermarks[queue].looks_back(time.monotonic())

    async def claim(self, queue: str, most: int) -> list[Claim]:
        """Up to `most` jobs, in the order in which they should run."""
        claims = await self._scan(queue, most)
        if not claims and self.looks_back(queue):
            # The scan itself found out that there may be jobs behind it; nobody will ring again.
            claims = await self._scan(queue, most)
        return claims

    async def _scan(self, queue: str, most: int) -> list[Claim]:
        watermark = self._watermarks[queue]
        began = time.monotonic()
        places = watermark.begin(began)
        try:
            rows = await self._link.fetch(
                _CLAIM.text,
                {
                    "queue": queue,
                    "max_jobs": most,
                    "worker": self._worker_id(),
                    "unknown": list(self._unknown),
                    "priorities": _PRIORITIES,
                    "after_xid": _array(xid for xid, _ in places),
                    "after_id": _array(id for _, id in places),
                },
                binary=True,
            )
        except (psycopg.Error, TimeoutError) as error:
            self.forget()
            if getattr(error, "sqlstate", None) != NOT_REGISTERED:
                self._doubts = [time.monotonic() + later for later in DOUBTS]
            raise
        *jobs, (*_, snapshot, epoch) = rows
        if snapshot is None:
            self._paused.add(queue)
            return []
        self._paused.discard(queue)
        now = time.monotonic()
        claims = [Claim(queue, *job[:-2]) for job in jobs]
        watermark.learn(
            [(claim.priority, claim.ready_xid, claim.id) for claim in claims],
            snapshot=Snapshot.parse(snapshot),
            epoch=epoch,
            exhausted=len(claims) < most,
            now=now,
            took=now - began,
        )
        claims.sort(key=_turn)
        return claims

    async def strays(self, held: Callable[[], Iterable[int]]) -> list[tuple[int, int]]:
        """The (id, lease) of jobs that a claim took although its answer was lost: leased to this
        worker, but not among the leases that it holds. Looks only while there is reason to doubt.
        """
        now = time.monotonic()
        if not self._doubts or now < self._doubts[0]:
            return []
        rows = await self._link.fetch(
            _STRAYS.text, {"worker": self._worker_id(), "held": _array(held())}
        )
        self._doubts = [later for later in self._doubts if later > now]
        return [(id, lease) for id, lease in rows]


def _turn(claim: Claim) -> tuple[int, int, int]:
    """UPDATE … RETURNING keeps no order; this is the order in which the jobs stood in line."""
    return -claim.priority, claim.ready_xid, claim.id


def _array(numbers: Iterable[int]) -> str:
    """A PostgreSQL array literal: quicker to make, and to read, than a list of parameters."""
    return "{" + ",".join(map(str, numbers)) + "}"
