"""The judgement over an attempt: which outcome an error leads to, whatever the error does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pgqueue import Cancel, Fixed, InvalidOption, JobCancelled, Retry, RetryPolicy, Snooze
from pgqueue.outcome import (
    MOST_MESSAGE,
    MOST_TRACEBACK,
    Cancelled,
    Dead,
    Retrying,
    Signal,
    Snoozed,
    clean,
    describe,
    judge,
)

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
POLICY = Fixed(SECOND)


ANOTHER = JobCancelled("job 7 (other) was cancelled")


def give_up(attempt: int, error: BaseException) -> None:
    """A policy that never tries again."""


@pytest.mark.parametrize(
    ("attempt", "most", "error", "policy", "expected"),
    [
        (1, 3, ValueError(), POLICY, Retrying(SECOND, describe(ValueError()))),
        (2, 3, ValueError(), POLICY, Retrying(SECOND, describe(ValueError()))),
        (3, 3, ValueError(), POLICY, Dead(describe(ValueError()))),
        (4, 3, ValueError(), POLICY, Dead(describe(ValueError()))),
        (1, 1, ValueError(), POLICY, Dead(describe(ValueError()))),
        (1, 3, ValueError(), give_up, Dead(describe(ValueError()))),
        (1, 3, SystemExit(2), POLICY, Retrying(SECOND, describe(SystemExit(2)))),
        (1, 3, KeyboardInterrupt(), POLICY, Retrying(SECOND, describe(KeyboardInterrupt()))),
        (1, 3, Retry(after=60), give_up, Retrying(MINUTE, describe(Retry(after=60)))),
        (3, 3, Retry(after=60), POLICY, Dead(describe(Retry(after=60)))),
        (1, 3, Snooze(minutes=1), give_up, Snoozed(MINUTE)),
        (3, 3, Snooze(60), give_up, Snoozed(MINUTE)),
        (1, 3, Cancel("gone"), POLICY, Cancelled("gone")),
        (3, 3, Cancel(), POLICY, Cancelled(None)),
        # Somebody else's job, for which this one waited: an error like any other.
        (1, 3, ANOTHER, POLICY, Retrying(SECOND, describe(ANOTHER))),
        (1, 3, ValueError(), lambda *_: -SECOND, Retrying(timedelta(0), describe(ValueError()))),
    ],
)
def test_outcomes(
    attempt: int, most: int, error: BaseException, policy: RetryPolicy, expected: object
) -> None:
    assert judge(attempt, most, error, policy) == expected


def raises(error: BaseException) -> Callable[..., Any]:
    """A function that raises."""

    def broken(*_: object) -> Any:
        raise error

    return broken


@pytest.mark.parametrize(
    ("policy", "error_type", "message"),
    [
        (raises(KeyError("no such")), "KeyError", "'no such'"),
        (raises(SystemExit(3)), "SystemExit", "3"),
        (raises(Cancel("from the policy")), "pgqueue.outcome.Cancel", "from the policy"),
        (
            lambda *_: 5,
            "pgqueue.errors.InvalidOption",
            "a retry policy gives a timedelta or None, got int.",
        ),
        (
            lambda *_: timedelta.max,
            "pgqueue.errors.InvalidOption",
            "the retry policy's delay is at most 1000 years, got 999999999 days, 23:59:59.999999.",
        ),
        (lambda: SECOND, "TypeError", "takes 0 positional arguments but 2 were given"),
    ],
)
def test_a_broken_policy_costs_its_job_only(
    policy: RetryPolicy, error_type: str, message: str
) -> None:
    outcome = judge(1, 3, ValueError("the first error"), policy)
    assert isinstance(outcome, Dead)
    assert outcome.failure.error_type == error_type
    assert message in outcome.failure.message
    assert "the first error" in (outcome.failure.traceback or "")


# Errors that make trouble when they are looked at


class StrRaises(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit


class StrIsNoText(Exception):
    def __str__(self) -> Any:
        return 42


class LyingText(str):
    __slots__ = ()

    def __len__(self) -> int:
        raise RuntimeError("no length for you")

    def replace(self, *_: Any) -> Any:
        return None


class StrLies(Exception):
    def __str__(self) -> str:
        return LyingText("x" * 5_000)


class Huge(Exception):
    def __str__(self) -> str:
        return "x" * 100_000_000


class HidesTraceback(Exception):
    @property
    def __traceback__(self) -> Any:  # type: ignore[override]  # the trouble
        raise RuntimeError("no traceback for you")


class Unstorable(Exception):
    def __str__(self) -> str:
        return "NUL \x00 and lone \ud800 in it"


Strange = type("Strange", (Exception,), {"__module__": 7, "__qualname__": "Na\x00me\ud800" * 100})


@pytest.mark.parametrize(
    "error",
    [
        StrRaises(),
        StrExits(),
        StrIsNoText(),
        StrLies(),
        Huge(),
        HidesTraceback("x"),
        Unstorable(),
        Strange("x"),
        Cancel(StrRaises()),  # type: ignore[arg-type]  # the trouble
        Cancel("x" * 10_000),
        Cancel(42),  # type: ignore[arg-type]  # the trouble
        Retry(StrRaises(), after=1),  # type: ignore[arg-type]  # the trouble
        ExceptionGroup("many", [Huge(), StrRaises(), Unstorable()]),
        RecursionError("deep"),
    ],
    ids=lambda error: type(error).__name__[:20].encode("ascii", "replace").decode(),
)
def test_an_evil_error_costs_its_job_only(error: BaseException) -> None:
    try:
        raise error
    except BaseException as raised:  # the attempt's boundary catches everything too
        outcome = judge(3, 3, raised, POLICY)
    if isinstance(outcome, Cancelled):
        assert isinstance(error, Cancel)
        texts = [outcome.reason]
    else:
        assert isinstance(outcome, Dead)
        failure = outcome.failure
        texts = [failure.error_type, failure.message, failure.traceback, failure.fingerprint]
    for text in texts:
        assert type(text) is str
        assert "\x00" not in text
        assert len(text.encode()) <= MOST_TRACEBACK * 6 + 100


def test_what_is_told_of_errors_that_cannot_be_told() -> None:
    assert describe(StrRaises()).message == "(the error cannot be printed)"
    assert describe(StrIsNoText()).message == "(the error cannot be printed)"
    assert describe(Unstorable()).message == r"NUL \x00 and lone \ud800 in it"
    assert describe(Huge()).message == (
        "x" * 1000 + "\n… 99998000 characters left out …\n" + "x" * 1000
    )
    reason = judge(1, 1, Cancel(StrRaises()), POLICY)  # type: ignore[arg-type]  # the trouble
    assert reason == Cancelled("(a reason that cannot be printed)")


def test_signals_of_a_users_own_class_that_forgot_their_delay() -> None:
    class Later(Snooze):
        def __init__(self) -> None:
            pass

    outcome = judge(1, 3, Later(), POLICY)
    assert isinstance(outcome, Dead)
    assert "has no attribute 'delay'" in outcome.failure.message


def test_a_long_chain_of_errors_is_cut() -> None:
    error = ValueError("the first")
    for number in range(3_000):
        later = ValueError(number)
        later.__cause__ = error
        error = later
    failure = describe(error)
    assert failure.message == "2999"
    assert failure.traceback is not None
    assert len(failure.traceback) < MOST_TRACEBACK + 100


def test_names_of_classes_are_full_outside_of_the_builtins() -> None:
    assert describe(ValueError()).error_type == "ValueError"
    assert describe(InvalidOption()).error_type == "pgqueue.errors.InvalidOption"
    assert describe(StrRaises()).error_type.endswith("test_outcome.StrRaises")


def test_no_values_of_variables_are_remembered() -> None:
    def handler(card_number: str) -> None:
        raise ValueError("declined")

    with pytest.raises(ValueError, match="declined") as caught:
        handler("4111" + "11111111")
    assert "411111111111" not in (describe(caught.value).traceback or "")


def test_one_fingerprint_for_a_class_at_a_line() -> None:
    def fail(kind: type[Exception], message: str) -> str:
        try:
            raise kind(message)
        except Exception as error:
            return describe(error).fingerprint

    def fail_elsewhere(message: str) -> str:
        try:
            raise ValueError(message)
        except Exception as error:
            return describe(error).fingerprint

    assert fail(ValueError, "1") == fail(ValueError, "2") != fail(KeyError, "1")
    assert fail(ValueError, "1") != fail_elsewhere("1")


@pytest.mark.parametrize("text", ["", "a", "x" * MOST_MESSAGE, "ä😀\n"])
def test_what_fits_is_not_changed(text: str) -> None:
    assert clean(text, MOST_MESSAGE) == text


# Signals


@pytest.mark.parametrize("signal", [Snooze(1), Cancel(), Retry(after=1)])
def test_except_exception_does_not_catch_signals(signal: Signal) -> None:
    def handler() -> None:
        try:
            raise signal
        except Exception:
            pytest.fail("swallowed")

    with pytest.raises(type(signal)):
        handler()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Snooze(-1), "Snooze() must not be negative, got -1 seconds."),
        (lambda: Snooze("1h"), "Snooze() is a timedelta or a number of seconds, got str."),
        (
            lambda: Snooze(5, minutes=1),
            "Snooze() takes a delay, or its parts as in Snooze(minutes=10).",
        ),
        (lambda: Snooze(days=10**12), "Snooze() takes the parts of a timedelta"),
        (lambda: Snooze(minuets=1), "Snooze() takes the parts of a timedelta"),
        (lambda: Snooze(days=400_000), "Snooze() is at most 1000 years, got 400000 days, 0:00:00."),
        (lambda: Retry(after=-1), "Retry(after=) must not be negative, got -1 seconds."),
        (lambda: Retry(after=float("nan")), "Retry(after=) is out of range: nan seconds."),
    ],
)
def test_signals_check_their_delays(make: Callable[[], Signal], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert "." in str(caught.value)
