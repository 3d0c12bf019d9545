"""What is computed from what was measured."""

import pytest

from pgqueue.benchmarks.figure import Figure, per_second, percentile


def test_the_median_and_the_spread_of_the_rounds() -> None:
    figure = Figure("drain", "jobs/s", [30.0, 10.0, 20.0])
    assert (figure.lowest, figure.median, figure.highest) == (10, 20, 30)
    assert figure.floor_median is None
    assert figure.ratio is None


def test_the_ratio_is_of_the_same_round_and_then_the_median() -> None:
    figure = Figure("drain", "jobs/s", [10.0, 40.0, 90.0], "plain SQL", [10.0, 80.0, 100.0])
    assert figure.ratio == pytest.approx(0.9)
    assert figure.median / (figure.floor_median or 0) == pytest.approx(0.5)


def test_a_floor_of_nothing_makes_no_ratio() -> None:
    assert Figure("processor", "µs/job", [1.0], "plain SQL", [0.0]).ratio is None


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1.0, 100)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert percentile(values, share) == expected


def test_a_percentile_of_one_value_is_that() -> None:
    assert percentile([7.0], 0.99) == percentile([7.0], 0.01) == 7


def test_rates_are_counted_from_the_first_sample() -> None:
    samples = [(10.0, 100), (10.5, 150), (11.0, 300), (11.5, 300), (12.5, 500), (12.9, 500)]
    assert per_second(samples) == [200.0, 100.0]


@pytest.mark.parametrize("samples", [[], [(1.0, 5)], [(1.0, 5), (1.9, 8)]])
def test_less_than_a_second_has_no_rate(samples: list[tuple[float, int]]) -> None:
    assert per_second(samples) == []
