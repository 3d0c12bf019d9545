"""Where a claimer may start looking: behind everything that is settled.

A queued job's place in line is (ready_xid, id), where ready_xid is the transaction that made it
ready. A transaction below the snapshot's xmin is over: all its jobs are visible, and no other will
ever appear at its place. So after a scan the claimer may skip what lies below both the last job it
got and xmin, and it never walks again over the dead index entries that a long transaction keeps
there. Late commits have an id at or above xmin, so they are never skipped. This is exact, not a
heuristic.

Jobs come back with an old place only by release and rescue, which raise the queue's epoch; then,
every FULL_SCAN seconds, and when xmin goes backwards (a failover), the scan starts from the
beginning.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..job import PRIORITIES

FULL_SCAN = 2.0
"""Seconds between full scans at least. They find the jobs whose rows were locked when the claimer
came by: by a claimer that then died, by somebody who began to wait for the job or to cancel it.
"""
FULL_SCAN_SHARE = 0.02
"""Of its time, a claimer spends at most this share in full scans."""

Place = tuple[int, int]
START: Place = (0, 0)


class Watermark:
    """The marks of one claimer for one queue, one for each priority."""

    def __init__(self) -> None:
        self._marks = dict.fromkeys(PRIORITIES, START)
        self._epoch: int | None = None
        self._settled = 0
        self._full_scan_due = 0.0
        self._scanning_fully = False

    def wants_full_scan(self, now: float) -> bool:
        """Whether the next scan will start from the beginning."""
        return now >= self._full_scan_due

    def begin(self, now: float) -> list[Place]:
        """The places to start after, in the order of PRIORITIES."""
        self._scanning_fully = self.wants_full_scan(now)
        if self._scanning_fully:
            self._marks = dict.fromkeys(PRIORITIES, START)
        return list(self._marks.values())

    def learn(
        self,
        claimed: Iterable[tuple[int, int, int]],
        *,
        settled: int,
        epoch: int,
        exhausted: bool,
        now: float,
        took: float,
    ) -> None:
        """Learn from a scan that claimed jobs at these (priority, ready_xid, id).

        `exhausted`: it got less than it asked for, so every priority was seen to its end. `settled`
        is the xmin of a snapshot taken before the scan.
        """
        if self._scanning_fully:
            self._full_scan_due = now + max(FULL_SCAN, took / FULL_SCAN_SHARE)
        if settled < self._settled or (self._epoch is not None and epoch != self._epoch):
            self._full_scan_due = 0.0
        self._epoch, self._settled = epoch, settled
        last: dict[int, Place] = {}
        for priority, ready_xid, id in claimed:
            last[priority] = max(last.get(priority, START), (ready_xid, id))
        edge = (settled, 0)
        for priority, mark in self._marks.items():
            if priority in last:
                self._marks[priority] = max(mark, min(last[priority], edge))
            elif exhausted:
                self._marks[priority] = max(mark, edge)
