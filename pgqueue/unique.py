"""Which jobs are the same job: one at a time, one after a pause, one in a while, one for a request.

A rule makes a key of a job. While another job of the task holds that key, enqueueing makes no new
one. How long a key holds is derived from the job that took it, and from the database's clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, Literal, Self

from .bounds import check_duration, interval, seconds
from .errors import InvalidOption
from .key import MOST_KEY_BYTES, By, Chosen, Key, check_forms, check_key, has_float

OPTIONS = ("unique", "debounce", "throttle", "idempotency_key")
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What all rules have: a `key`, or the arguments of the job that make it, named in `by`. With
    neither, all arguments make it.
    """

    by: str | Iterable[str] | None = None
    key: Key | None = None

    option: ClassVar[str]
    sets_time: ClassVar[bool] = False

    def __post_init__(self) -> None:
        by = (self.by,) if isinstance(self.by, str) else self.by
        if by is not None and not isinstance(by, Iterable):
            raise InvalidOption(
                f"{self.option}: by is the name of an argument, or a list of names, "
                f"got {type(by).__name__}."
            )
        if by is not None and self.key is not None:
            raise InvalidOption(f"{self.option}: by and key exclude each other: give one of them.")
        if isinstance(self.key, By):
            by = self.key.names
            object.__setattr__(self, "key", None)
        elif self.key is not None:
            check_key(self.key, f"the key of {self.option}")
        object.__setattr__(self, "by", None if by is None else By(*by).names)
        self._check()

    def _check(self) -> None: ...

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments that make the key."""
        return tuple(self.by or ())

    @property
    def raises(self) -> bool:
        """Whether a conflict is an error."""
        return False

    def of(self, arguments: tuple[str, ...], ambiguous: frozenset[str]) -> Self:
        """The rule for a task with these arguments. Raises InvalidOption."""
        for name in self.names:
            if name not in arguments:
                has = ", ".join(arguments) or "none"
                raise InvalidOption(f"{self.option}: the task has no argument {name}, but {has}.")
        whole = self.key is None and self.by is None
        instead = "Name other arguments with by=, or give a key=."
        check_forms(arguments if whole else self.names, ambiguous, self.option, instead)
        if not whole:
            return self
        found = replace(self)
        object.__setattr__(found, "by", arguments)
        return found

    def document(self, chosen: Chosen) -> dict[str, str]:
        """What `pgqueue.enqueue_with` takes as flow.unique. Raises InvalidOption for a key that
        this job's arguments do not make.
        """
        fields = {"key": self._text(chosen), **self._fields()}
        return {name: value for name, value in fields.items() if value is not None}

    def _fields(self) -> dict[str, str | None]:
        raise NotImplementedError

    def _text(self, chosen: Chosen) -> str:
        if self.key is not None:
            return str(self.key)
        values = chosen(self.names)
        for name, value in values.items():
            if has_float(value):
                raise InvalidOption(
                    f"{self.option}: argument {name} is a float or has one in it, which has no "
                    "single written form. Name other arguments with by=, or give a key=."
                )
        text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) <= MOST_KEY_BYTES:
            return text
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Unique(Rule):
    """At most one such job at a time.

    The key holds `while_` the job is "queued", which ends when a worker claims it for the first
    time, or "unfinished" (the default without a period), which includes retries; or for a `period`
    from the enqueueing (timedelta or seconds), whatever becomes of the job; or, with both, for the
    longer.

    On conflict, "skip" makes no new job; "replace" gives the one that waits the new arguments and
    options, and is as "skip" when it was claimed already; "raise" raises DuplicateJob. In each
    case the handle, or the error, has the id of the job that is there.
    """

    while_: Literal["queued", "unfinished"] | None = None
    period: timedelta | float | None = None
    on_conflict: Literal["skip", "replace", "raise"] = "skip"

    option: ClassVar[str] = "unique"

    def _check(self) -> None:
        if self.while_ not in (None, "queued", "unfinished"):
            raise InvalidOption(f'while_ is "queued" or "unfinished", got {self.while_!r}.')
        if self.on_conflict not in ("skip", "replace", "raise"):
            raise InvalidOption(
                f'on_conflict is "skip", "replace" or "raise", got {self.on_conflict!r}.'
            )
        if self.period is not None:
            _positive(self.period, "period")

    @property
    def raises(self) -> bool:
        return self.on_conflict == "raise"

    def _fields(self) -> dict[str, str | None]:
        """Who wants an error gets it here: raised in SQL, it would abort his transaction."""
        default = "unfinished" if self.period is None else None
        return {
            "while": self.while_ or default,
            "for": _interval(self.period),
            "on_conflict": "skip" if self.raises else self.on_conflict,
        }


@dataclass(frozen=True, slots=True)
class Debounce(Rule):
    """One job for many enqueueings: it runs `delay` after the last of them, with what that one
    passed. It waits no `longest` than so long after the first. Both are timedeltas or seconds, and
    count from the moment of enqueueing.
    """

    delay: timedelta | float
    longest: timedelta | float | None = None

    option: ClassVar[str] = "debounce"
    sets_time: ClassVar[bool] = True

    def _check(self) -> None:
        _positive(self.delay, "delay")
        if self.longest is None:
            return
        _positive(self.longest, "longest")
        if seconds(self.longest, "longest") < seconds(self.delay, "delay"):
            raise InvalidOption("debounce: longest is at least as long as delay.")

    def _fields(self) -> dict[str, str | None]:
        return {
            "while": "queued",
            "on_conflict": "replace",
            "delay": _interval(self.delay),
            "longest": _interval(self.longest),
        }


@dataclass(frozen=True, slots=True)
class Throttle(Rule):
    """At most one job in each `period` (timedelta or seconds), which begins when one is enqueued.
    Who comes within it gets that job, whether it is over or not.
    """

    period: timedelta | float

    option: ClassVar[str] = "throttle"

    def _check(self) -> None:
        _positive(self.period, "period")

    def _fields(self) -> dict[str, str | None]:
        return {"for": _interval(self.period), "on_conflict": "skip"}


@dataclass(frozen=True, slots=True)
class Idempotency(Rule):
    """The same request once: the key is remembered for `ttl`, even after the job's end."""

    ttl: timedelta | float = A_DAY

    option: ClassVar[str] = "idempotency_key"

    def _check(self) -> None:
        _positive(self.ttl, "idempotency_ttl")

    def _fields(self) -> dict[str, str | None]:
        return {"for": _interval(self.ttl), "on_conflict": "skip"}


KINDS: dict[str, type[Rule]] = {"unique": Unique, "debounce": Debounce, "throttle": Throttle}


def taken_rule(
    current: Rule | None,
    given: dict[str, Any],
    arguments: tuple[str, ...],
    ambiguous: frozenset[str],
) -> dict[str, Rule | None]:
    """Take the options of this module out of `given`; the rule that follows as {"unique": rule},
    or nothing when there were none. Raises InvalidOption.
    """
    asked = {name: given.pop(name) for name in OPTIONS if name in given}
    ttl = given.pop("idempotency_ttl", None)
    if not asked and ttl is None:
        return {}
    if current is not None:
        asked = {current.option: current} | asked
    found = {name: value for name, value in asked.items() if value is not None}
    if len(found) > 1:
        one, other, *_ = sorted(found)
        raise InvalidOption(
            f"{one} and {other} exclude each other, since a job has one key. "
            f"Give one of them; {other}=None turns off what the task declares."
        )
    if ttl is not None and "idempotency_key" not in found:
        raise InvalidOption("idempotency_ttl goes with an idempotency_key: give both, or none.")
    rule = next((_rule(name, value, ttl) for name, value in found.items()), None)
    return {"unique": rule and rule.of(arguments, ambiguous)}


def _rule(name: str, value: Any, ttl: Any) -> Rule:
    if name == "idempotency_key":
        if isinstance(value, Idempotency):
            return value if ttl is None else replace(value, ttl=ttl)
        check_key(value, "idempotency_key")
        return Idempotency(A_DAY if ttl is None else ttl, key=value)
    kind = KINDS[name]
    if not isinstance(value, kind):
        raise InvalidOption(f"{name} is a {kind.__name__}(...), got {type(value).__name__}.")
    return value


def _positive(duration: Any, what: str) -> None:
    check_duration(seconds(duration, what), what)


def _interval(duration: Any) -> str | None:
    return None if duration is None else interval(seconds(duration, "duration"))
