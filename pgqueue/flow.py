"""Flow options of a job: its turn, its share, its limits, its lifetime. What they hold back waits
at the gate, and `pgqueue.why` tells what for.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from .bounds import check_duration, check_instant, check_integer, interval, seconds
from .errors import InvalidOption
from .key import (
    By,
    Chosen,
    Key,
    bucket,
    check_forms,
    check_key,
    check_limit_name,
    check_unkeyed,
    text_of,
)
from .unique import Debounce, Rule, Throttle, Unique, taken_rule

MOST_WEIGHT = 9_999_999

OnFailure = Literal["block", "skip"]

_ELSEWHERE = {"eta": "run_at", "countdown": "delay", "retries": "max_attempts"}
"""What other queues call our options, where the names are too far apart to be taken for slips."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that jobs are under. With a key each key is counted by itself. A job takes `weight`
    of a rate, and one place of a concurrency.
    """

    name: str
    key: Key | None = None
    weight: int = 1

    def __post_init__(self) -> None:
        check_limit_name(self.name)
        if self.name.startswith(("queue:", "task:")) or self.name in ("queue", "task"):
            raise InvalidOption(
                f'leave the limit "{self.name}" out: '
                "a job is under those of its queue and its task anyway."
            )
        if self.key is not None:
            check_unkeyed(self.name)
            check_key(self.key, f"the key of limit {self.name}")
        check_integer(self.weight, f"the weight of limit {self.name}", 1, MOST_WEIGHT)

    def bucket(self, chosen: Chosen) -> str:
        """What is counted: the name, and the key if there is one."""
        if self.key is None:
            return self.name
        return bucket(self.name, text_of(self.key, f"the key of limit {self.name}", chosen))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What jobs of a task are subject to, besides their time."""

    order_key: Key | None = None
    on_failure: OnFailure | None = None
    fair_key: Key | None = None
    limits: tuple[Limit, ...] = ()
    expires: datetime | timedelta | None = None
    retry_for: timedelta | None = None
    unique: Rule | None = None

    def __post_init__(self) -> None:
        for name in ("order_key", "fair_key"):
            if getattr(self, name) is not None:
                check_key(getattr(self, name), name)
        if self.on_failure not in (None, "block", "skip"):
            raise InvalidOption(f'on_failure is "block" or "skip", got {self.on_failure!r}.')
        if self.on_failure is not None and self.order_key is None:
            raise InvalidOption("on_failure goes with an order_key: give both, or none.")
        if isinstance(self.expires, timedelta):
            check_duration(self.expires, "expires")
        elif self.expires is not None:
            check_instant(self.expires, "expires")
        if self.retry_for is not None:
            check_duration(self.retry_for, "retry_for")
        if isinstance(self.unique, Debounce):
            self.check_due(seconds(self.unique.delay, "delay"))

    def check_due(self, due: datetime | timedelta | None) -> None:
        """Raises InvalidOption for a job that would expire before it is due. The database compares
        an instant with a duration, for it owns the clock.
        """
        late = False
        if isinstance(due, timedelta) and isinstance(self.expires, timedelta):
            late = due > timedelta(0) and due >= self.expires
        elif isinstance(due, datetime) and isinstance(self.expires, datetime):
            late = due >= self.expires
        if late:
            raise InvalidOption(
                f"the job would expire before it is due: expires is {self.expires}, but it is due "
                f"{'at' if isinstance(due, datetime) else 'after'} {due}."
            )

    @property
    def made_of(self) -> dict[str, tuple[str, ...]]:
        """The keys that are made of arguments, with the names of those."""
        keys = {"order_key": self.order_key, "fair_key": self.fair_key}
        keys |= {f"the key of limit {limit.name}": limit.key for limit in self.limits}
        return {what: key.names for what, key in keys.items() if isinstance(key, By)}

    def document(self, chosen: Chosen) -> str:
        """The JSON that `pgqueue.enqueue_with` takes as flow. Raises InvalidOption for a key that
        this job's arguments do not make.
        """
        fields: dict[str, Any] = {
            "order_key": _key(self.order_key, "order_key", chosen),
            "on_failure": self.on_failure,
            "fair_key": _key(self.fair_key, "fair_key", chosen),
            "limits": {limit.bucket(chosen): limit.weight for limit in self.limits} or None,
            "retry_for": self.retry_for and interval(self.retry_for),
            "unique": None if self.unique is None else self.unique.document(chosen),
        }
        if isinstance(self.expires, datetime):
            fields["expires_at"] = self.expires.isoformat()
        else:
            fields["expires_in"] = self.expires and interval(self.expires)
        return json.dumps({name: value for name, value in fields.items() if value is not None})


class FlowOptions(TypedDict, total=False):
    """Flow options of a job, for `using` and for the decorator of a task. None turns off what the
    task declares; of limits [] does.
    """

    order_key: Key | None
    """Jobs of a queue with the same key run one at a time, in the order of their ids."""
    on_failure: OnFailure | None
    """What the next job of the key does while the first waits for its retry: "block" (the default)
    lets it wait until the first has ended, "skip" lets it go ahead.
    """
    fair_key: Key | None
    """Whose job it is: the tenants of a queue are served in turn, by their weights."""
    limits: str | Limit | Iterable[str | Limit] | Mapping[str, int]
    """The limits that the job is under, besides those of its queue and its task."""
    expires: timedelta | float | datetime | None
    """A job that was not started by then is cancelled. A duration counts from the enqueueing."""
    retry_for: timedelta | float | None
    """No retry is scheduled for later than so long after the enqueueing. The first attempt and what
    follows a snooze may begin later; `expires` bounds the first.
    """
    unique: Unique | None
    """At most one such job at a time. Of this and the next three a job has one; None: no longer."""
    debounce: Debounce | None
    """One job for many enqueueings, run when they pause; the last one's arguments win."""
    throttle: Throttle | None
    """At most one job in so much time; others are left out."""
    idempotency_key: Key | None
    """The same request once: who enqueues with the key again within `idempotency_ttl` gets the
    first job, even when that is over.
    """
    idempotency_ttl: timedelta | float
    """How long an `idempotency_key` is remembered: a day unless told otherwise."""


def changed_flow(
    flow: Flow | None,
    options: FlowOptions,
    arguments: tuple[str, ...],
    ambiguous: frozenset[str] = frozenset(),
    *,
    others: tuple[str, ...] = (),
) -> Flow | None:
    """The flow with these options changed. Raises InvalidOption for keys of unknown arguments, or
    of `ambiguous` ones, whose equal values may be written in several ways; and TypeError for
    options that do not exist, whose message has the `others` that stand beside those of flow.
    """
    given: dict[str, Any] = dict(options)
    for name in given:
        if name not in FlowOptions.__annotations__:
            raise TypeError(f"there is no option {name}.{_did_you_mean(name, others)}")
    if "limits" in given:
        given["limits"] = limits_of(given["limits"])
    for name in ("expires", "retry_for"):
        if given.get(name) is not None and not isinstance(given[name], datetime):
            given[name] = seconds(given[name], name)
    given |= taken_rule(flow.unique if flow else None, given, arguments, ambiguous)
    if not given:
        return flow
    changed = replace(flow or Flow(), **given)
    for what, names in changed.made_of.items():
        for name in names:
            if name not in arguments:
                has = ", ".join(arguments) or "none"
                raise InvalidOption(f"By() names the argument {name}, but the task takes {has}.")
        check_forms(names, ambiguous, what, "Name other arguments.")
    return changed


def _did_you_mean(name: str, others: tuple[str, ...]) -> str:
    known = [*others, *FlowOptions.__annotations__]
    elsewhere = [_ELSEWHERE[name]] if _ELSEWHERE.get(name) in known else []
    close = elsewhere or difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{hint} There are: {', '.join(known)}."


def limits_of(given: object) -> tuple[Limit, ...]:
    """Limits as they may be written: a name, a Limit, a list of both, a dict of weights by name."""
    if isinstance(given, str | Limit):
        given = [given]
    if isinstance(given, Mapping):
        limits = tuple(Limit(name, weight=weight) for name, weight in given.items())
    elif isinstance(given, Iterable):
        limits = tuple(one if isinstance(one, Limit) else Limit(one) for one in given)
    else:
        raise InvalidOption(
            f'limits is a list of names or Limits, as in ["stripe"], got {type(given).__name__}.'
        )
    names = [limit.name for limit in limits]
    for name in names:
        if names.count(name) > 1:
            raise InvalidOption(f'the limit "{name}" is named twice.')
    return limits


def _key(key: Key | None, what: str, chosen: Chosen) -> str | None:
    return None if key is None else text_of(key, what, chosen)
