"""Every rule that makes no sense is refused, with what to do."""

from datetime import timedelta
from typing import Any

import pytest

from pgqueue import By, InvalidOption, LimitRule, PgQueue
from pgqueue.limit import Turns
from pgqueue.limit_rule import declaration

FULL = 'when_full is "wait", "cancel_newest" or "cancel_running", got '
NOTHING = "To let nothing run, pause the queue or the task."


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "a limit allows something: give concurrency, or rate and per."),
        ({"concurrency": 0}, f"concurrency is at least 1, got 0. {NOTHING}"),
        ({"concurrency": -1}, f"concurrency is at least 1, got -1. {NOTHING}"),
        ({"concurrency": True}, "concurrency is an integer, got bool."),
        ({"concurrency": 2.5}, "concurrency is an integer, got float."),
        (
            {"concurrency": 2**31},
            "concurrency lies between 1 and 1000000000, got 2147483648.",
        ),
        ({"rate": 0, "per": 1}, f"rate is at least 1, got 0. {NOTHING}"),
        ({"rate": 5}, "rate and per go together, as in rate=100, per=60."),
        ({"concurrency": 1, "per": 5}, "rate and per go together, as in rate=100, per=60."),
        ({"rate": 5, "per": 0}, "per must be positive, got 0 seconds."),
        ({"rate": 5, "per": "1m"}, "per is a timedelta or a number of seconds, got str."),
        ({"rate": 5, "per": float("nan")}, "per is out of range: nan seconds."),
        (
            {"rate": 5, "per": timedelta(days=367)},
            "per is at most 366 days, got 367 days, 0:00:00.",
        ),
        ({"rate": 5, "per": 1, "burst": 0}, f"burst is at least 1, got 0. {NOTHING}"),
        (
            {"concurrency": 1, "burst": 5},
            "burst goes with a rate: give rate and per, or leave it out.",
        ),
        (
            {"concurrency": 1, "sliding": True},
            "sliding goes with a rate: give rate and per, or leave it out.",
        ),
        (
            {"rate": 5, "per": 1, "burst": 5, "sliding": True},
            "a sliding window saves nothing for a burst: leave one of them out.",
        ),
        ({"rate": 5, "per": 1, "sliding": "yes"}, "sliding is True or False, got 'yes'."),
        ({"concurrency": 1, "when_full": "drop"}, f"{FULL}'drop'."),
        ({"concurrency": 1, "when_full": None}, f"{FULL}None."),
        (
            {"rate": 5, "per": 1, "when_full": "cancel_newest"},
            'when_full="cancel_newest" is about places: give concurrency, '
            "or leave it out; what a rate holds back waits.",
        ),
    ],
)
def test_what_is_no_rule(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        LimitRule(**rule)
    assert str(caught.value) == message


def test_a_rule_is_a_value() -> None:
    rule = LimitRule(concurrency=5, rate=100, per=60, burst=10, when_full="cancel_running")
    assert rule == LimitRule(
        concurrency=5, rate=100, per=timedelta(minutes=1), burst=10, when_full="cancel_running"
    )
    assert len({rule, LimitRule(concurrency=5)}) == 2
    with pytest.raises(AttributeError):
        rule.concurrency = 6  # type: ignore[misc]  # the mistake


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            [("stripe", 5)],
            'limits maps names to rules, as in {"stripe": LimitRule(concurrency=5)}, got list.',
        ),
        (
            {"stripe": 5},
            "a limit is set to a LimitRule, as in LimitRule(concurrency=5), got 5.",
        ),
        ({"": LimitRule(concurrency=1)}, "the name of a limit has 1 to 200 bytes, got 0."),
        ({5: LimitRule(concurrency=1)}, "the name of a limit is a string, got int."),
        (
            {"order": LimitRule(concurrency=1)},
            'a limit is not named "order": at the gate that is a word.',
        ),
    ],
)
def test_what_cannot_be_declared(limits: Any, message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        PgQueue(limits=limits)
    assert str(caught.value) == message


def test_declared_limits_are_sent_in_the_order_of_names() -> None:
    app = PgQueue(limits={"b": LimitRule(rate=1, per=90), "a": LimitRule(concurrency=5)})
    assert declaration(app.limits) == {
        "names": ["a", "b"],
        "concurrency": [5, None],
        "rate": [None, 1],
        "per": [None, 90.0],
        "burst": [None, None],
        "sliding": [False, False],
        "when_full": ["wait", "wait"],
    }
    with pytest.raises(TypeError):
        app.limits["c"] = LimitRule(concurrency=1)  # type: ignore[index]  # the mistake


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ""}, "the name of a limit has 1 to 200 bytes, got 0."),
        ({"name": "pause 5"}, 'a limit is not named "pause 5": at the gate that is a word.'),
        ({"name": "a:b", "key": 1}, 'the limit "a:b" has a key in its name already.'),
        ({"name": "a", "key": "ä" * 101}, "the key of limit a has 1 to 200 bytes, got 202."),
        ({"name": "a", "key": "b" * 199}, "the key of limit a has 1 to 200 bytes, got 201."),
        (
            {"name": "a", "key": By("b")},
            "the key of limit a is By(...), which names arguments of a job: give the value.",
        ),
        (
            {"name": "a", "key": 1.5},
            "the key of limit a is a string, an integer, a UUID or By(...), got float. "
            "Other types have no single written form.",
        ),
        ({"name": "a", "weight": 0}, "weight lies between 1 and 9999999, got 0."),
        ({"name": "a", "timeout": -1}, "timeout must not be negative, got -1 seconds."),
        (
            {"name": "a", "timeout": "1s"},
            "timeout is a timedelta or a number of seconds, got str.",
        ),
        ({"name": "a", "lease": 0.5}, "lease lies between 1 and 3600 seconds, got 0.5."),
        (
            {"name": "a", "lease": timedelta(hours=2)},
            "lease lies between 1 and 3600 seconds, got 7200.",
        ),
    ],
)
def test_what_is_no_limit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        PgQueue().limit(**options)
    assert str(caught.value) == message


def test_what_a_limit_cannot_be_set_to() -> None:
    with pytest.raises(InvalidOption, match=r"a limit is set to a LimitRule, .* got 5\."):
        PgQueue().limit("stripe").set(5)  # type: ignore[call-overload]  # the mistake


def test_pauses_between_tries_grow_and_follow_what_the_database_says() -> None:
    turns = Turns("stripe", None)
    pauses = [turns.pause(None, "wait") for _ in range(20)]
    assert pauses[0] < 0.026
    assert all(0.37 < pause < 0.63 for pause in pauses[-5:])
    assert 0.07 < turns.pause(0.1, "wait") < 0.13
    assert turns.pause(3600, "wait") < 0.63
    assert turns.pause(0, "wait") > 0.01
