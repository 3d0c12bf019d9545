"""How an attempt ended, and the judgement that says so: a pure function, no I/O.

                 ┌ returned ───────────────────────────▶ Succeeded
                 ├ raise Cancel, or obeyed a request ──▶ Cancelled
one attempt ─────┼ raise Snooze ───────────────────────▶ Snoozed    (costs no attempt)
                 ├ raise Retry, or any other error
                 │    attempts left, policy says when ─▶ Retrying
                 └    otherwise ───────────────────────▶ Dead
"""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass
from datetime import timedelta

from .errors import JobCancelled
from .job import check_duration, seconds
from .retry import RetryPolicy

MOST_MESSAGE = 2_000
MOST_TRACEBACK = 20_000


class Signal(BaseException):
    """What a handler raises to end its attempt in a way that is not an error.

    It is no `Exception`, so that `except Exception` in a handler does not swallow it.
    """


class Retry(Signal):
    """End this attempt as failed, and try again after a delay of the handler's choice."""

    def __init__(
        self, reason: str = "asked for another attempt", *, after: timedelta | float
    ) -> None:
        super().__init__(reason)
        self.after = seconds(after, "Retry(after=)")
        check_duration(self.after, "Retry(after=)", at_least_zero=True)


class Snooze(Signal):
    """Put the job back for later. Snoozing costs no attempt and is no failure."""

    def __init__(self, delay: timedelta | float | None = None, **parts: float) -> None:
        self.delay = timedelta(**parts) if delay is None else seconds(delay, "Snooze()")
        check_duration(self.delay, "Snooze()", at_least_zero=True)
        super().__init__(f"snoozed for {self.delay}")


class Cancel(Signal):
    """End the job for good, as cancelled. It is no failure and is not retried."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Failure:
    """What is remembered of a failed attempt: text only, cut to size, never the values of
    variables.
    """

    error_type: str
    message: str
    traceback: str | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Retrying:
    delay: timedelta
    failure: Failure


@dataclass(frozen=True, slots=True)
class Dead:
    failure: Failure


@dataclass(frozen=True, slots=True)
class Cancelled:
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Snoozed:
    delay: timedelta


Outcome = Succeeded | Retrying | Dead | Cancelled | Snoozed


def judge(attempt: int, max_attempts: int, error: BaseException, policy: RetryPolicy) -> Outcome:
    """The outcome of an attempt that ended with `error`."""
    match error:
        case Snooze():
            return Snoozed(error.delay)
        case Cancel():
            return Cancelled(clean(error.reason, MOST_MESSAGE) if error.reason else None)
        case JobCancelled():
            return Cancelled(None)
    failure = describe(error)
    if attempt >= max_attempts:
        return Dead(failure)
    if isinstance(error, Retry):
        return Retrying(error.after, failure)
    delay, failure = _ask(policy, attempt, error, failure)
    return Dead(failure) if delay is None else Retrying(delay, failure)


def _ask(
    policy: RetryPolicy, attempt: int, error: BaseException, failure: Failure
) -> tuple[timedelta | None, Failure]:
    """A broken policy must not cost the worker its loop: the job dies with the policy's error."""
    try:
        delay = policy(attempt, error)
        if delay is not None:
            check_duration(max(delay, timedelta(0)), "the retry policy's delay", at_least_zero=True)
            delay = max(delay, timedelta(0))
        return delay, failure
    except Exception as broken:  # noqa: BLE001 - a user's policy may raise anything
        broken.__context__ = error
        return None, describe(broken)


def describe(error: BaseException) -> Failure:
    """An error as text that PostgreSQL can store, whatever the error does when it is asked."""
    kind = clean(type(error).__name__, 200)
    if type(error).__module__ not in ("builtins", "__main__"):
        kind = clean(f"{type(error).__module__}.{type(error).__qualname__}", 200)
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - __str__ of a user's class may raise anything
        message = "(the error could not be printed)"
    try:
        trace = "".join(traceback.format_exception(error, limit=-50))
    except BaseException:  # noqa: BLE001 - formatting calls __str__ too
        trace = "(the traceback could not be printed)"
    return Failure(
        kind, clean(message, MOST_MESSAGE), clean(trace, MOST_TRACEBACK), _fingerprint(kind, error)
    )


def _fingerprint(kind: str, error: BaseException) -> str:
    """The same for errors of one class raised at one line, so that they can be counted together."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return hashlib.sha256(f"{kind}|{place}".encode(errors="replace")).hexdigest()[:16]


def clean(text: str, most: int) -> str:
    """Text cut in the middle, without what PostgreSQL cannot store (NUL and lone surrogates)."""
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]}\n… {len(text) - most} characters left out …\n{text[-half:]}"
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
