"""When to try again: a retry policy maps (attempt, error) to a delay, or to None to give up.

Any function of that form is a policy. It is asked after each failed attempt, and only while the
job has attempts left. `Exponential()` is the default.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from .errors import InvalidOption

LONGEST = timedelta(days=365 * 500)
RetryPolicy = Callable[[int, BaseException], timedelta | None]


@dataclass(frozen=True, slots=True)
class Exponential:
    """`first * factor ** (attempt - 1)`, at most `cap`, spread evenly by `jitter` in both
    directions.

    Jitter keeps jobs that failed together from coming back together (Marc Brooker, "Exponential
    Backoff And Jitter", 2015). With the defaults 20 attempts span about nine hours.
    """

    first: timedelta = timedelta(seconds=2)
    factor: float = 2.0
    cap: timedelta = timedelta(hours=1)
    jitter: float = 0.2
    random: Callable[[], float] = field(default=random.random, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_delay(self.first, "Exponential: first")
        _check_delay(self.cap, "Exponential: cap")
        if self.cap < self.first:
            raise InvalidOption("Exponential: cap must not be below first.")
        _check_number(self.factor, "Exponential: factor", 1, 1_000)
        _check_number(self.jitter, "Exponential: jitter", 0, 1)

    def __call__(self, attempt: int, error: BaseException) -> timedelta:
        first, cap = self.first.total_seconds(), self.cap.total_seconds()
        try:
            seconds = min(first * float(self.factor) ** (attempt - 1), cap)
        except OverflowError:
            seconds = cap if first else 0.0
        return timedelta(seconds=seconds * (1 + self.jitter * (2 * self.random() - 1)))


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same delay after every failed attempt."""

    delay: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        _check_delay(self.delay, "Fixed: delay")

    def __call__(self, attempt: int, error: BaseException) -> timedelta:
        return self.delay


@dataclass(frozen=True, slots=True)
class PerError:
    """Another policy for each class of error; None gives up at once.

    The first class in order of `policies` that the error is an instance of decides.

    >>> PerError({ValueError: None, TimeoutError: Fixed(timedelta(seconds=1))})
    """

    policies: Mapping[type[BaseException], RetryPolicy | None]
    otherwise: RetryPolicy | None = field(default_factory=Exponential)

    def __post_init__(self) -> None:
        for kind, policy in self.policies.items():
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise InvalidOption(f"PerError: its keys are classes of errors, got {kind!r}.")
            _check_policy(policy, kind.__name__)
        _check_policy(self.otherwise, "otherwise")

    def __call__(self, attempt: int, error: BaseException) -> timedelta | None:
        policy = self.otherwise
        for kind, candidate in self.policies.items():
            if isinstance(error, kind):
                policy = candidate
                break
        return None if policy is None else policy(attempt, error)


def _check_delay(value: object, what: str) -> None:
    if not isinstance(value, timedelta):
        raise InvalidOption(f"{what} is a timedelta, got {type(value).__name__}.")
    if not timedelta(0) <= value <= LONGEST:
        raise InvalidOption(f"{what} lies between zero and 500 years, got {value}.")


def _check_number(value: object, what: str, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidOption(f"{what} is a number, got {type(value).__name__}.")
    if not least <= value <= most:
        raise InvalidOption(f"{what} lies between {least:g} and {most:g}, got {value:g}.")


def _check_policy(policy: object, what: str) -> None:
    if policy is not None and not callable(policy):
        raise InvalidOption(
            f"PerError: {what} needs a policy or None, got {type(policy).__name__}."
        )
