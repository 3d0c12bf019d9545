"""The pure parts of trials: moments, latencies, costs; and what two processes share."""

import itertools
import os
from pathlib import Path

import pytest

from pgqueue.benchmarks.counter import Counter
from pgqueue.benchmarks.draining import rate
from pgqueue.benchmarks.errors import BenchmarkError
from pgqueue.benchmarks.groups.cost import costs
from pgqueue.benchmarks.groups.latency import shares
from pgqueue.benchmarks.groups.pinned import ends
from pgqueue.benchmarks.machine import cpu_seconds, own_peak_mb, resident_mb
from pgqueue.benchmarks.process import Process
from pgqueue.benchmarks.producer import moments


def test_moments_keep_their_distance() -> None:
    found = list(moments(100.0, 50, 0.02, 0.06))
    assert len(found) == 50
    for before, after in itertools.pairwise([100.0, *found]):
        assert 0.0199 <= after - before <= 0.0601


def test_a_steady_pace_does_not_drift() -> None:
    *_, last = moments(0.0, 1000, 0.002, 0.002)
    assert last == pytest.approx(2.0)


def test_latencies_are_matched_by_key_and_never_negative() -> None:
    committed = [(1, 1_000_000), (2, 2_000_000), (3, 3_000_000)]
    started = [(3, 8_000_000), (2, 1_900_000), (1, 2_000_000)]
    assert shares("idle", committed, started) == {"idle, p50": 1.0, "idle, p99": 5.0}


def test_the_rate_counts_from_the_first_start_to_the_last_end() -> None:
    results = [{"first": 10.0, "ended": 12.0}, {"first": 9.0, "ended": 11.0}]
    assert rate(300, results) == 100
    assert rate(300, [*results, {"first": 0.0, "ended": 9.5}]) == 100, "one that got no job"


def test_costs_are_for_each_job() -> None:
    results = [{"cpu": 0.002, "peak_mb": 40.0}]
    assert costs(100, results, [50_000, 20, 100, 90, 100], 0.001) == pytest.approx(
        {
            "processor, client": 20,
            "processor, server": 10,
            "WAL": 500,
            "dead rows": 2,
            "transactions": 200,
            "HOT updates": 90,
            "memory at most": 40,
        }
    )


def test_costs_that_are_not_known_are_left_out() -> None:
    found = costs(100, [{"cpu": 0.002}], [50_000, 20, 0, 0, 100], None)
    assert set(found) == {"processor, client", "WAL", "dead rows", "transactions"}


@pytest.mark.parametrize(("seconds", "expected"), [(90, 10), (30, 10), (9, 3), (2, 1), (1, 1)])
def test_the_ends_of_a_long_trial_are_ten_seconds(seconds: int, expected: int) -> None:
    assert ends(seconds) == expected


def test_a_count_is_seen_on_the_other_side(tmp_path: Path) -> None:
    path = tmp_path / "count"
    Counter.make(path)
    with Counter(path) as one, Counter(path) as other:
        assert other.value == 0
        one.value = 123_456_789_012
        assert other.value == 123_456_789_012


def test_a_process_that_fails_is_quoted() -> None:
    failing = Process("no_such_module", "postgresql:///nothing")
    with failing as process, pytest.raises(BenchmarkError) as caught:
        process.await_ready()
    what, *words = str(caught.value).splitlines()
    assert what == "a process of the benchmarks (no_such_module) ended."
    assert "No module named pgqueue.benchmarks.no_such_module" in words[-1]


def test_a_process_that_is_not_there_tells_nothing() -> None:
    assert cpu_seconds(2**22 + 1) is None
    assert resident_mb(2**22 + 1) is None
    assert own_peak_mb() > 1
    if Path("/proc/self/stat").exists():
        assert (resident_mb(os.getpid()) or 0) > 1
