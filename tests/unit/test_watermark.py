"""The watermark skips what is settled, and never a job that could still be claimed."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pgqueue.job import PRIORITIES
from pgqueue.worker.watermark import (
    FULL_SCAN,
    FULL_SCAN_SHARE,
    PATIENCE,
    START,
    Place,
    Snapshot,
    Watermark,
)

Job = tuple[int, int, int]
"""(priority, ready_xid, id)"""


@dataclass
class Line:
    """A queue as one claimer sees it: jobs in line, and transactions that still run."""

    watermark: Watermark = field(default_factory=Watermark)
    queued: set[Job] = field(default_factory=set)
    epoch: int = 1
    end: int = 100
    open: set[int] = field(default_factory=set)
    now: float = 0.0

    def scan(self, most: int = 100, *, took: float = 0.001) -> list[Job]:
        """Claim up to `most` jobs behind the marks, as the SQL function does."""
        marks = dict(zip(PRIORITIES, self.watermark.begin(self.now), strict=True))
        in_line = sorted(self.queued, key=lambda job: (-job[0], job[1], job[2]))
        claimed = [job for job in in_line if job[1:] > marks[job[0]]][:most]
        self.queued -= set(claimed)
        self.watermark.learn(
            reversed(claimed),
            snapshot=Snapshot(self.end, frozenset(self.open)),
            epoch=self.epoch,
            exhausted=len(claimed) < most,
            now=self.now,
            took=took,
        )
        return claimed

    def marks(self, priority: int = 0) -> Place:
        """Where the next scan starts, without taking part in it."""
        return self.watermark._marks[priority]


def test_the_first_scan_starts_at_the_beginning_of_every_priority() -> None:
    assert Watermark().begin(0.0) == [START] * 21


def test_after_an_empty_scan_all_that_is_settled_is_skipped() -> None:
    line = Line(end=100)
    assert line.scan() == []
    assert {line.marks(priority) for priority in PRIORITIES} == {(100, 0)}


def test_a_mark_stops_at_the_last_claim_when_there_may_be_more() -> None:
    line = Line(queued={(0, 50, 1), (0, 50, 2), (0, 60, 3)}, end=100)
    assert line.scan(2) == [(0, 50, 1), (0, 50, 2)]
    assert line.marks() == (50, 2)
    assert line.scan(2) == [(0, 60, 3)]
    assert line.marks() == (60, 3)


def test_a_mark_never_passes_a_transaction_that_still_runs() -> None:
    line = Line(queued={(0, 120, 1)}, end=130, open={90, 110})
    assert line.scan() == [(0, 120, 1)]
    assert line.marks() == (90, 0)
    line.queued.add((0, 110, 2))  # it began earlier and commits later
    assert line.scan() == [(0, 110, 2)]


def test_a_mark_passes_a_transaction_that_stays_open_and_goes_back_when_it_is_over() -> None:
    line = Line(queued={(0, 120, 1)}, end=130, open={90, 110})
    line.scan()
    line.now += PATIENCE
    line.open.add(125)  # this one is young
    line.scan()
    assert line.marks() == (125, 0)
    line.open -= {110, 125}
    line.queued.add((0, 110, 2))
    assert line.scan() == [], "this scan learns that it is over"
    assert line.watermark.looks_back(line.now)
    assert line.marks() == (110, 0)
    assert line.scan() == [(0, 110, 2)]
    assert not line.watermark.looks_back(line.now)
    line.scan()
    assert line.marks() == (130, 0), "90 is still open, and still passed"
    line.open.clear()
    line.scan()
    assert line.marks() == (90, 0)


def test_a_late_bulk_is_drained_from_where_it_stands() -> None:
    line = Line(end=130, open={90})
    line.scan()
    line.now += PATIENCE
    line.scan()
    line.open.clear()
    line.queued = {(0, 90, id) for id in range(1, 7)} | {(0, 130, 9)}
    line.end = 140
    assert line.scan(2) == [(0, 130, 9)]
    assert line.scan(2) == [(0, 90, 1), (0, 90, 2)]
    assert line.marks() == (90, 2)
    assert line.scan(9) == [(0, 90, 3), (0, 90, 4), (0, 90, 5), (0, 90, 6)]
    assert line.scan(9) == []
    assert line.marks() == (140, 0)


def test_the_text_of_a_snapshot() -> None:
    assert Snapshot.parse("10:20:10,14") == (20, {10, 14})
    assert Snapshot.parse("20:20:") == (20, set())


def test_a_late_job_of_the_last_claimed_transaction_is_found() -> None:
    """The snapshot showed the transaction as running, so the mark stays below its place."""
    line = Line(queued={(0, 100, 7)}, end=100)
    assert line.scan() == [(0, 100, 7)]
    line.queued.add((0, 100, 6))
    assert line.scan() == [(0, 100, 6)]


def test_priorities_that_were_not_reached_learn_nothing() -> None:
    line = Line(queued={(5, 10, 1), (5, 10, 2), (0, 10, 3), (-5, 10, 4)}, end=100)
    assert line.scan(2) == [(5, 10, 1), (5, 10, 2)]
    assert line.marks(5) == (10, 2)
    assert line.marks(0) == line.marks(10) == line.marks(-5) == START
    assert line.scan(2) == [(0, 10, 3), (-5, 10, 4)]


def test_a_job_that_came_back_is_found_by_the_scan_after_the_next() -> None:
    line = Line(queued={(0, 50, 1)})
    line.scan()
    line.queued.add((0, 50, 1))
    assert line.scan() == [], "it stands below the mark, and nobody told"
    line.epoch += 1
    assert line.scan() == [], "this scan learns of the epoch"
    assert line.scan() == [(0, 50, 1)]


def test_a_server_that_went_back_in_time_is_scanned_from_the_beginning() -> None:
    line = Line(end=1_000)
    line.scan()
    line.end = 500  # a standby took over that had not yet heard of the rest
    line.queued.add((0, 450, 1))
    line.scan()
    assert line.scan() == [(0, 450, 1)]


def test_a_full_scan_is_due_every_few_seconds() -> None:
    line = Line(now=1_000.0)
    line.scan()
    line.queued.add((0, 50, 1))  # as after a claimer died between lock and commit
    line.now += FULL_SCAN - 0.001
    assert line.scan() == []
    line.now += 0.001
    assert line.scan() == [(0, 50, 1)]


def test_full_scans_take_a_small_share_of_the_time() -> None:
    line = Line(now=1_000.0)
    line.scan(took=2.0)
    line.queued.add((0, 50, 1))
    line.now += 2.0 / FULL_SCAN_SHARE - 0.001
    assert line.scan() == []
    line.now += 0.001
    assert line.scan() == [(0, 50, 1)]


def test_marks_do_not_go_back() -> None:
    line = Line(end=100)
    line.scan()
    line.queued.add((0, 150, 9))
    line.scan(1)
    assert line.marks() == (100, 0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.just(0)),
        st.tuples(st.just("enqueue"), st.integers(0, 5)),
        st.tuples(st.just("commit"), st.integers(0, 5)),
        st.tuples(st.just("rollback"), st.integers(0, 5)),
        st.tuples(st.just("scan"), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.integers(1, 3)),
    ),
    max_size=80,
)


@given(steps, st.sampled_from([(0,), (3, 0, -3)]))
def test_whatever_commits_when_no_job_is_skipped(
    history: list[tuple[str, int]], priorities: tuple[int, ...]
) -> None:
    line = Line()
    open_jobs: dict[int, list[Job]] = {}
    next_xid, next_id = 100, 1
    for step, number in history:
        if step == "wait":
            line.now += number * PATIENCE / 2
        elif step == "begin":
            open_jobs[next_xid] = []
            next_xid += 1
        elif step == "scan":
            line.end, line.open = next_xid, set(open_jobs)
            line.scan(number)
            for priority, *place in line.queued:
                assert tuple(place) > line.marks(priority)
            for xid, jobs in open_jobs.items():
                behind = any(tuple(place) <= line.marks(priority) for priority, *place in jobs)
                assert not behind or xid in line.watermark._passed
        elif open_jobs:
            xid = sorted(open_jobs)[number % len(open_jobs)]
            if step == "enqueue":
                open_jobs[xid].append((priorities[number % len(priorities)], xid, next_id))
                next_id += 1
            else:
                jobs = open_jobs.pop(xid)
                line.queued |= set(jobs) if step == "commit" else set()
    line.end, line.open = next_xid, set()
    line.scan(3)
    while line.queued:
        assert line.scan(3)
