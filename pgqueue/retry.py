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

RetryPolicy = Callable[[int, BaseException], timedelta | None]


@dataclass(frozen=True, slots=True)
class Exponential:
    """`first * factor ** (attempt - 1)`, at most `cap`, spread evenly by `jitter` in both
    directions.

    Jitter keeps jobs that failed together from coming back together (Marc Brooker, "Exponential
    Backoff And Jitter", 2015). With the defaults 20 attempts span about ten hours.
    """

    first: timedelta = timedelta(seconds=2)
    factor: float = 2.0
    cap: timedelta = timedelta(hours=1)
    jitter: float = 0.2
    random: Callable[[], float] = field(default=random.random, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.first < timedelta(0) or self.cap < self.first:
            raise InvalidOption("Exponential: first must not be negative, and cap not below first.")
        if self.factor < 1:
            raise InvalidOption(f"Exponential: factor must be at least 1, got {self.factor}.")
        if not 0 <= self.jitter <= 1:
            raise InvalidOption(f"Exponential: jitter lies between 0 and 1, got {self.jitter}.")

    def __call__(self, attempt: int, error: BaseException) -> timedelta:
        try:
            seconds = self.first.total_seconds() * self.factor ** (attempt - 1)
        except OverflowError:
            seconds = self.cap.total_seconds()
        seconds = min(seconds, self.cap.total_seconds())
        return timedelta(seconds=seconds * (1 + self.jitter * (2 * self.random() - 1)))


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same delay after every failed attempt."""

    delay: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if self.delay < timedelta(0):
            raise InvalidOption("Fixed: delay must not be negative.")

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

    def __call__(self, attempt: int, error: BaseException) -> timedelta | None:
        policy = self.otherwise
        for kind, candidate in self.policies.items():
            if isinstance(error, kind):
                policy = candidate
                break
        return None if policy is None else policy(attempt, error)
