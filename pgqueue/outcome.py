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
import os.path
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from .bounds import check_duration, seconds
from .errors import InvalidOption
from .retry import RetryPolicy

MOST_MESSAGE = 2_000
MOST_TRACEBACK = 20_000

Hide = Callable[[str], str]
"""Takes out of a text what nobody is to read."""


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
        if delay is not None and parts:
            raise InvalidOption("Snooze() takes a delay, or its parts as in Snooze(minutes=10).")
        self.delay = _sum(parts) if delay is None else seconds(delay, "Snooze()")
        check_duration(self.delay, "Snooze()", at_least_zero=True)
        super().__init__(f"snoozed for {self.delay}")


def _sum(parts: dict[str, float]) -> timedelta:
    try:
        return timedelta(**parts)
    except (OverflowError, TypeError, ValueError) as error:
        raise InvalidOption(f"Snooze() takes the parts of a timedelta: {error}.") from None


class Cancel(Signal):
    """End the job for good, as cancelled. It is no failure and is not retried."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Failure:
    """What is remembered of a failed attempt: text only, cut to size, never the values of
    variables. `place` is where it was raised: "jobs.py:31 in charge".
    """

    error_type: str
    message: str
    traceback: str | None
    fingerprint: str
    place: str | None = None


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


def judge(
    attempt: int,
    max_attempts: int,
    error: BaseException,
    policy: RetryPolicy,
    hide: Hide = str,
) -> Outcome:
    """The outcome of an attempt that ended with `error`. Never raises: what breaks here, a policy
    or a signal of the user's own, becomes the error that the job dies of. `hide` takes out of texts
    what is not to be remembered.
    """
    try:
        return _judge(attempt, max_attempts, error, policy, hide)
    except BaseException as broken:  # noqa: BLE001 - a user's policy may raise anything
        broken.__context__ = error
        return Dead(describe(broken, hide))


def _judge(
    attempt: int, max_attempts: int, error: BaseException, policy: RetryPolicy, hide: Hide
) -> Outcome:
    match error:
        case Snooze():
            return Snoozed(error.delay)
        case Cancel(reason=None):
            return Cancelled(None)
        case Cancel():
            unprintable = "(a reason that cannot be printed)"
            return Cancelled(_shown(lambda: str(error.reason), unprintable, hide=hide))
    if attempt >= max_attempts:
        return Dead(describe(error, hide))
    delay = error.after if isinstance(error, Retry) else policy(attempt, error)
    if delay is None:
        return Dead(describe(error, hide))
    if not isinstance(delay, timedelta):
        kind = type(delay).__name__
        raise InvalidOption(f"a retry policy gives a timedelta or None, got {kind}.")
    delay = max(delay, timedelta(0))
    check_duration(delay, "the retry policy's delay", at_least_zero=True)
    return Retrying(delay, describe(error, hide))


def describe(error: BaseException, hide: Hide = str) -> Failure:
    """An error as text that PostgreSQL can store, whatever the error does when it is asked."""
    kind = _shown(lambda: _kind(error), "(an unnamed error)", 200, hide=hide)
    return Failure(
        kind,
        _shown(lambda: str(error), "(the error cannot be printed)", hide=hide),
        _shown(
            lambda: _traceback(error),
            "(the traceback cannot be printed)",
            MOST_TRACEBACK,
            hide=hide,
        ),
        _shown(lambda: _fingerprint(kind, error), "0" * 16),
        _shown(lambda: _place(error), "", 200) or None,
    )


def _shown(
    show: Callable[[], str], otherwise: str, most: int = MOST_MESSAGE, *, hide: Hide = str
) -> str:
    """Clean text from code of the user, which may raise, or return a str that lies about itself.
    Hidden is what is to be hidden before it is cut, as half of a secret would not be known again.
    """
    try:
        return clean(hide(str.__str__(show())), most)
    except BaseException:  # noqa: BLE001 - __str__ of a user's class may raise anything
        return otherwise


def _kind(error: BaseException) -> str:
    kind = type(error)
    own = kind.__module__ not in ("builtins", "__main__")
    return f"{kind.__module__}.{kind.__qualname__}" if own else kind.__name__


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error, limit=-50))


def _fingerprint(kind: str, error: BaseException) -> str:
    """The same for errors of one class raised at one line, so that they can be counted together."""
    last = _raising(error)
    place = f"{last.filename}:{last.name}:{last.lineno}" if last else ""
    return hashlib.sha256(f"{kind}|{place}".encode(errors="replace")).hexdigest()[:16]


def _place(error: BaseException) -> str:
    """The line that raised it, short enough for a table."""
    last = _raising(error)
    return f"{os.path.basename(last.filename)}:{last.lineno} in {last.name}" if last else ""


def _raising(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost frame alone: reading the others takes longer than all the rest."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return frames[-1] if frames else None


def clean(text: str, most: int) -> str:
    """Text cut in the middle, without what PostgreSQL cannot store (NUL and lone surrogates)."""
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]}\n… {len(text) - most} characters left out …\n{text[-half:]}"
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
