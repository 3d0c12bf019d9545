"""Claims jobs: the next ones in line, each with a lease that proves the right to run it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import psycopg

from ..database.link import Link
from ..database.statement import Statement
from ..job import PRIORITIES
from .watermark import Snapshot, Watermark

_CLAIM, _CLAIM_GATED = Statement("claim"), Statement("claim_gated")
_PRIORITIES = "{" + ",".join(map(str, PRIORITIES)) + "}"
_STRAYS = Statement("strays")
NOT_REGISTERED = "PQ001"
"""SQLSTATE of a claim by a worker that was rescued."""
SIFTED = "detour"
"""What the last row of a claim says when some of the next jobs were sent to the gate."""
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


class Gate:
    """What is known of a queue's gate: when to look at it, and whether plain jobs share it."""

    def __init__(self) -> None:
        self.due = 0.0
        self.shares = False
        self._turn = False

    def share(self, most: int) -> int:
        """How many of so many jobs to ask it for, at first."""
        self._turn = not self._turn
        return (most + self._turn) // 2 if self.shares else most


class Claimer:
    """Claims for one worker process, from as many queues as it serves."""

    def __init__(
        self,
        link: Link,
        queues: Iterable[str],
        worker_id: Callable[[], int],
        *,
        took: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._link = link
        self._took = took
        self._worker_id = worker_id
        self._watermarks = {queue: Watermark() for queue in queues}
        self._paused: set[str] = set()
        self._unknown: set[str] = set()
        self._gates: dict[str, Gate] = {}
        self._sifting: set[str] = set()
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
        now = time.monotonic()
        gate = self._gates.get(queue)
        if (gate is not None and gate.due <= now) or queue in self._sifting:
            return True
        return queue not in self._paused and self._watermarks[queue].looks_back(now)

    @property
    def has_gate(self) -> bool:
        """Whether the end of a job may free others that wait at a gate."""
        return bool(self._gates)

    @property
    def is_held_back(self) -> bool:
        """Whether jobs wait at a gate for what running ones have, so each end should be known."""
        return any(0.0 < gate.due < math.inf for gate in self._gates.values())

    def pause(self) -> float:
        """Seconds until a gate may let jobs through although none ended."""
        due = min((gate.due for gate in self._gates.values()), default=math.inf)
        return max(0.0, due - time.monotonic())

    async def claim(self, queue: str, most: int) -> list[Claim]:
        """Up to `most` jobs: at first those that the gate lets through, if there is one, and half
        of them at most while there are plain jobs, too; then plain ones in their order.
        """
        gate = self._gates.get(queue)
        claims = await self._scan_gate(queue, gate, gate.share(most)) if gate is not None else []
        if len(claims) == most:
            return claims
        plain = await self._scan(queue, most - len(claims))
        if not plain and gate is None and self.looks_back(queue):
            # The scan itself found out that there may be jobs behind it; nobody will ring again.
            plain = await self._scan(queue, most)
        claims += plain
        known = self._gates.get(queue)
        if known is not None:
            known.shares = bool(plain)
            if gate is None and len(claims) < most:
                claims += await self._scan_gate(queue, known, most - len(claims))
        return claims

    async def _scan_gate(self, queue: str, gate: Gate, most: int) -> list[Claim]:
        if most == 0:
            return []
        *jobs, last = await self._fetch(_CLAIM_GATED, queue, most)
        claims = [Claim(queue, *job[:-2]) for job in jobs]
        told = Claim(queue, *last[:-2])
        gate.due = math.inf if told.waited is None else time.monotonic() + told.waited
        if told.task is not None:
            gate.due = 0.0
        return claims

    async def _scan(self, queue: str, most: int) -> list[Claim]:
        watermark = self._watermarks[queue]
        began = time.monotonic()
        places = watermark.begin(began)
        *jobs, last = await self._fetch(
            _CLAIM,
            queue,
            most,
            priorities=_PRIORITIES,
            after_xid=_array(xid for xid, _ in places),
            after_id=_array(id for _, id in places),
        )
        (*_, snapshot, epoch), gated = last, last[2]
        self._note_gate(queue, gated)
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
            exhausted=len(claims) < most and gated != SIFTED,
            now=now,
            took=now - began,
        )
        claims.sort(key=_turn)
        return claims

    async def _fetch(
        self, statement: Statement, queue: str, most: int, **places: str
    ) -> list[tuple[Any, ...]]:
        parameters = {
            "queue": queue,
            "max_jobs": most,
            "worker": self._worker_id(),
            "unknown": list(self._unknown),
            **places,
        }
        began = time.monotonic()
        try:
            rows = await self._link.fetch(statement.text, parameters, binary=True)
        except (psycopg.Error, TimeoutError) as error:
            self.forget()
            if getattr(error, "sqlstate", None) != NOT_REGISTERED:
                self._doubts = [time.monotonic() + later for later in DOUBTS]
            raise
        self._took(time.monotonic() - began)
        return rows

    def _note_gate(self, queue: str, gated: str | None) -> None:
        """What a claim of plain jobs tells of the gate. A gate without jobs that run or may run is
        remembered for as long as it has a time to look at it.
        """
        self._sifting.discard(queue)
        if gated == SIFTED:
            self._sifting.add(queue)
        if gated is not None:
            self._gates.setdefault(queue, Gate())
        elif queue in self._gates and self._gates[queue].due == math.inf:
            del self._gates[queue]

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
