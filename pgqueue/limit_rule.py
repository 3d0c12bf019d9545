"""What a limit allows: so many at once, so many in a time, and what happens where it is full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from .bounds import check_duration, check_integer, seconds
from .errors import InvalidOption
from .key import check_limit_name

WhenFull = Literal["wait", "cancel_newest", "cancel_running"]
MOST = 1_000_000_000
LONGEST_PER = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule:
    """What a limit allows. It holds for all workers together, and for each of its keys by itself.

    At most `concurrency` jobs run at once. Jobs of the weight `rate` start in the time `per`, a
    timedelta or seconds. What was not used is saved up to `burst`, which is `rate` unless given;
    with `sliding` nothing is saved, and the rate holds for every window of that length.

    A job that finds every place taken waits; or it is cancelled ("cancel_newest"), or the one that
    runs for the longest time is ("cancel_running"). Raises InvalidOption.
    """

    concurrency: int | None = None
    rate: int | None = None
    per: timedelta | float | None = None
    burst: int | None = None
    sliding: bool = False
    when_full: WhenFull = "wait"

    def __post_init__(self) -> None:
        for name in ("concurrency", "rate", "burst"):
            if getattr(self, name) is not None:
                _check_number(getattr(self, name), name)
        if self.concurrency is None and self.rate is None:
            raise InvalidOption("a limit allows something: give concurrency, or rate and per.")
        if (self.rate is None) != (self.per is None):
            raise InvalidOption("rate and per go together, as in rate=100, per=60.")
        if self.per is not None:
            object.__setattr__(self, "per", _time(self.per))
        if self.burst is not None and self.rate is None:
            raise InvalidOption("burst goes with a rate: give rate and per, or leave it out.")
        if not isinstance(self.sliding, bool):
            raise InvalidOption(f"sliding is True or False, got {self.sliding!r}.")
        if self.sliding and self.rate is None:
            raise InvalidOption("sliding goes with a rate: give rate and per, or leave it out.")
        if self.sliding and self.burst is not None:
            raise InvalidOption(
                "a sliding window saves nothing for a burst: leave one of them out."
            )
        if self.when_full not in ("wait", "cancel_newest", "cancel_running"):
            raise InvalidOption(
                f'when_full is "wait", "cancel_newest" or "cancel_running", got {self.when_full!r}.'
            )
        if self.when_full != "wait" and self.concurrency is None:
            raise InvalidOption(
                f'when_full="{self.when_full}" is about places: give concurrency, '
                "or leave it out; what a rate holds back waits."
            )

    def parameters(self) -> dict[str, Any]:
        """The fields as `pgqueue.set_limit` has them, with `per` in seconds."""
        return {
            "concurrency": self.concurrency,
            "rate": self.rate,
            "per": None if self.per is None else seconds(self.per, "per").total_seconds(),
            "burst": self.burst,
            "sliding": self.sliding,
            "when_full": self.when_full,
        }


def check_rule(rule: object) -> None:
    """Raises InvalidOption for anything but a LimitRule."""
    if not isinstance(rule, LimitRule):
        raise InvalidOption(
            f"a limit is set to a LimitRule, as in LimitRule(concurrency=5), got {rule!r}."
        )


def check_declared(limits: Mapping[str, LimitRule]) -> dict[str, LimitRule]:
    """The limits that an application declares, by name. Raises InvalidOption."""
    if not isinstance(limits, Mapping):
        raise InvalidOption(
            'limits maps names to rules, as in {"stripe": LimitRule(concurrency=5)}, '
            f"got {type(limits).__name__}."
        )
    for name, rule in limits.items():
        check_limit_name(name)
        check_rule(rule)
    return dict(limits)


def declaration(limits: Mapping[str, LimitRule]) -> dict[str, list[Any]]:
    """What the statement that declares limits takes. In the order of names, so that workers that
    start together wait for each other and do not lock each other out.
    """
    names = sorted(limits)
    columns: dict[str, list[Any]] = {"names": names}
    for name in names:
        for field, value in limits[name].parameters().items():
            columns.setdefault(field, []).append(value)
    return columns


def _check_number(value: object, what: str) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and value < 1:
        raise InvalidOption(
            f"{what} is at least 1, got {value}. To let nothing run, pause the queue or the task."
        )
    check_integer(value, what, 1, MOST)


def _time(per: timedelta | float) -> timedelta:
    length = seconds(per, "per")
    check_duration(length, "per")
    if length > LONGEST_PER:
        raise InvalidOption(f"per is at most 366 days, got {length}.")
    return length
