"""Where a claimer may start looking: behind everything that is settled.

A queued job's place in line is (ready_xid, id), where ready_xid is the transaction that made it
ready. When a transaction is over, all its jobs are visible, and no other will ever appear at its
place. So after a scan the claimer may skip what lies below both the last job it got and the oldest
transaction that was open, and it never walks again over the dead index entries that somebody's
long transaction keeps there. Late commits lie at or above that edge, so they are never skipped.

A transaction that stays open would hold the edge in place while jobs come and go behind it. So
after a moment the marks pass it, and its id is remembered; when it is over, they go back to its
place, and look once at what it may have left there. This is exact, not a heuristic.

Jobs come back with an old place only by release and rescue, which raise the queue's epoch; then,
every FULL_SCAN seconds, and when transaction ids go backwards (a failover), the scan starts from
the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..job import PRIORITIES

PATIENCE = 0.1
"""Seconds that a transaction may be open before the marks pass it."""
FULL_SCAN = 2.0
"""Seconds between full scans at least. They find the jobs whose rows were locked when the claimer
came by: by a claimer that then died, by somebody who began to wait for the job or to cancel it.
"""
FULL_SCAN_SHARE = 0.02
"""Of its time, a claimer spends at most this share in full scans."""

Place = tuple[int, int]
START: Place = (0, 0)


class Snapshot(NamedTuple):
    """Transactions below `end` were over when it was taken, except those that were `open`."""

    end: int
    open: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """From the text of pg_current_snapshot(), as in "10:20:10,14"."""
        _, end, open = text.split(":")
        return cls(int(end), frozenset(map(int, open.split(","))) if open else frozenset())


class Watermark:
    """The marks of one claimer for one queue, one for each priority."""

    def __init__(self) -> None:
        self._marks = dict.fromkeys(PRIORITIES, START)
        self._epoch: int | None = None
        self._end = 0
        self._open_since: dict[int, float] = {}
        self._passed: frozenset[int] = frozenset()
        self._full_scan_due = 0.0
        self._scanning_fully = False
        self._went_back = False

    def looks_back(self, now: float) -> bool:
        """Whether the next scan starts before a place that this one has already passed."""
        return self._went_back or now >= self._full_scan_due

    def begin(self, now: float) -> list[Place]:
        """The places to start after, in the order of PRIORITIES."""
        self._scanning_fully = now >= self._full_scan_due
        if self._scanning_fully:
            self._marks = dict.fromkeys(PRIORITIES, START)
        return list(self._marks.values())

    def learn(
        self,
        claimed: Iterable[tuple[int, int, int]],
        *,
        snapshot: Snapshot,
        epoch: int,
        exhausted: bool,
        now: float,
        took: float,
    ) -> None:
        """Learn from a scan that claimed jobs at these (priority, ready_xid, id).

        `exhausted`: it got less than it asked for, so every priority was seen to its end. The
        snapshot was taken before the scan.
        """
        if self._scanning_fully:
            self._full_scan_due = now + max(FULL_SCAN, took / FULL_SCAN_SHARE)
        if snapshot.end < self._end or (self._epoch is not None and epoch != self._epoch):
            self._full_scan_due = 0.0
        self._epoch, self._end = epoch, snapshot.end
        over = self._passed - snapshot.open
        self._advance(claimed, self._edge(snapshot, now), exhausted)
        self._went_back = bool(over)
        if over:
            place = (min(over), 0)
            self._marks = {priority: min(mark, place) for priority, mark in self._marks.items()}

    def _edge(self, snapshot: Snapshot, now: float) -> Place:
        """The oldest open transaction, but for those that have been open for too long."""
        if not snapshot.open:
            self._open_since, self._passed = {}, frozenset()
            return snapshot.end, 0
        since = {xid: self._open_since.get(xid, now) for xid in snapshot.open}
        self._open_since = since
        self._passed = frozenset(xid for xid in since if now - since[xid] >= PATIENCE)
        return min(snapshot.open - self._passed, default=snapshot.end), 0

    def _advance(
        self, claimed: Iterable[tuple[int, int, int]], edge: Place, exhausted: bool
    ) -> None:
        last: dict[int, Place] = {}
        for priority, ready_xid, id in claimed:
            last[priority] = max(last.get(priority, START), (ready_xid, id))
        for priority, mark in self._marks.items():
            if priority in last:
                self._marks[priority] = max(mark, min(last[priority], edge))
            elif exhausted:
                self._marks[priority] = max(mark, edge)
