"""Retry policies: when an attempt is made again, and what no policy may be made of."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgqueue import Exponential, Fixed, InvalidOption, PerError

ERROR = ValueError("x")


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("attempt", "expected"), [(1, 2), (2, 4), (3, 8), (11, 2048), (12, 3600), (1000, 3600)]
)
def test_exponential_doubles_up_to_its_cap(attempt: int, expected: float) -> None:
    assert Exponential(jitter=0)(attempt, ERROR) == seconds(expected)


@pytest.mark.parametrize(("drawn", "expected"), [(0.0, 8), (0.5, 10), (0.75, 11), (1.0, 12)])
def test_jitter_spreads_evenly_in_both_directions(drawn: float, expected: float) -> None:
    policy = Exponential(first=seconds(10), jitter=0.2, random=lambda: drawn)
    assert policy(1, ERROR) == seconds(expected)


def test_full_jitter_may_be_no_delay() -> None:
    assert Exponential(jitter=1, random=lambda: 0.0)(5, ERROR) == seconds(0)


@given(
    first=st.floats(0, 1e9),
    more=st.floats(0, 1e9),
    factor=st.floats(1, 1000) | st.integers(1, 1000),
    jitter=st.floats(0, 1),
    drawn=st.floats(0, 1, exclude_max=True),
    attempt=st.integers(1, 40_000),
)
def test_a_delay_is_never_negative_nor_above_cap_and_jitter(
    first: float, more: float, factor: float, jitter: float, drawn: float, attempt: int
) -> None:
    cap = seconds(first + more)
    policy = Exponential(seconds(first), factor, cap, jitter, random=lambda: drawn)
    delay = policy(attempt, ERROR)
    assert timedelta(0) <= delay <= cap * (1 + jitter) + timedelta(milliseconds=1)
    undisturbed = Exponential(seconds(first), factor, cap, jitter=0)
    assert undisturbed(attempt, ERROR) <= undisturbed(attempt + 1, ERROR) <= cap


def test_the_longest_cap_does_not_overflow() -> None:
    policy = Exponential(cap=timedelta(days=365 * 500), jitter=1, random=lambda: 1.0)
    assert policy(1000, ERROR) == timedelta(days=365 * 1000)


def test_no_delay_stays_none_however_often_it_grows() -> None:
    assert Exponential(first=timedelta(0))(2000, ERROR) == timedelta(0)


def test_fixed() -> None:
    assert {Fixed()(attempt, ERROR) for attempt in (1, 7, 999)} == {seconds(10)}
    assert Fixed(timedelta(0))(1, ERROR) == timedelta(0)


def test_the_first_class_that_fits_decides() -> None:
    policy = PerError(
        {
            UnicodeError: Fixed(seconds(1)),
            ValueError: None,
            Exception: Fixed(seconds(3)),
            OSError: Fixed(seconds(4)),
        },
        otherwise=Fixed(seconds(5)),
    )
    decided = {
        UnicodeError(): seconds(1),
        ValueError(): None,
        OSError(): seconds(3),
        KeyboardInterrupt(): seconds(5),
    }
    assert {error: policy(1, error) for error in decided} == decided


def test_per_error_hands_on_attempt_and_error() -> None:
    asked: list[Any] = []

    def policy(attempt: int, error: BaseException) -> None:
        asked.append((attempt, error))

    assert PerError({ValueError: policy})(3, ERROR) is None
    assert asked == [(3, ERROR)]


def test_what_per_error_does_not_name_is_retried_exponentially_or_not_at_all() -> None:
    assert PerError({})(1, ERROR) is not None
    assert PerError({}, otherwise=None)(1, ERROR) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Exponential(first=2),  # type: ignore[arg-type]  # the mistake
            "Exponential: first is a timedelta, got int.",
        ),
        (
            lambda: Exponential(first=seconds(-1)),
            "Exponential: first lies between zero and 500 years, got -1 day, 23:59:59.",
        ),
        (
            lambda: Exponential(cap=timedelta.max),
            "Exponential: cap lies between zero and 500 years, "
            "got 999999999 days, 23:59:59.999999.",
        ),
        (lambda: Exponential(cap=seconds(1)), "Exponential: cap must not be below first."),
        (
            lambda: Exponential(factor=0.5),
            "Exponential: factor lies between 1 and 1000, got 0.5.",
        ),
        (
            lambda: Exponential(factor=float("nan")),
            "Exponential: factor lies between 1 and 1000, got nan.",
        ),
        (
            lambda: Exponential(jitter=float("inf")),
            "Exponential: jitter lies between 0 and 1, got inf.",
        ),
        (
            lambda: Exponential(jitter="0.5"),  # type: ignore[arg-type]  # the mistake
            "Exponential: jitter is a number, got str.",
        ),
        (
            lambda: Fixed(seconds(-1)),
            "Fixed: delay lies between zero and 500 years, got -1 day, 23:59:59.",
        ),
        (
            lambda: Fixed(10),  # type: ignore[arg-type]  # the mistake
            "Fixed: delay is a timedelta, got int.",
        ),
        (
            lambda: PerError({"ValueError": None}),  # type: ignore[dict-item]  # the mistake
            "PerError: its keys are classes of errors, got 'ValueError'.",
        ),
        (
            lambda: PerError({ValueError: 3}),  # type: ignore[dict-item]  # the mistake
            "PerError: ValueError needs a policy or None, got int.",
        ),
        (
            lambda: PerError({}, otherwise=3),  # type: ignore[arg-type]  # the mistake
            "PerError: otherwise needs a policy or None, got int.",
        ),
    ],
)
def test_what_no_policy_can_be_made_of(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        make()
    assert str(caught.value) == message
