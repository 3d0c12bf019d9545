"""How rounds are interleaved, and what becomes of the readings."""

from functools import partial

from pgqueue.benchmarks.measuring import Group, Reading, Wanted, made, measure, turned

WANTED = Wanted("ours", "jobs/s", "floor")


def test_every_trial_runs_once_a_round_in_an_order_that_turns() -> None:
    begun: list[str] = []
    trials = {name: partial(Reading, {name: 1.0}) for name in ("ours", "floor", "other", "one")}
    group = Group("drain", "Drain", [WANTED], trials, rounds=4, notes=["a note"])
    findings = measure(group, begun.append)
    assert begun == [
        *("ours", "floor", "other", "one"),
        *("floor", "ours", "one", "other"),
        *("ours", "floor", "other", "one"),
        *("floor", "ours", "one", "other"),
    ]
    assert len(begun) == group.steps
    (figure,) = findings.figures
    assert (figure.values, figure.floors) == ([1.0] * 4, [1.0] * 4)
    assert findings.notes == ["a note"]
    assert findings.missing == []


def test_what_this_machine_cannot_tell_is_named() -> None:
    group = Group("idle", "Idle", [WANTED], {"trial": lambda: Reading({"floor": 1.0})}, rounds=1)
    findings = measure(group, lambda name: None)
    assert findings.figures == []
    assert findings.missing == ["ours"]


def test_a_figure_needs_no_floor() -> None:
    figure = made(WANTED, [Reading({"ours": 2.0})])
    assert figure is not None
    assert figure.floor is None
    assert figure.floors == []


def test_a_floor_that_is_missing_in_one_round_is_none() -> None:
    figure = made(WANTED, [Reading({"ours": 2.0, "floor": 1.0}), Reading({"ours": 2.0})])
    assert figure is not None
    assert figure.floor is None
    assert figure.floors == []


def test_the_order_begins_elsewhere_in_each_round() -> None:
    assert [turned("abcdef", number)[0] for number in range(4)] == ["a", "b", "e", "f"]


def test_the_series_is_that_of_the_last_round() -> None:
    rounds = [Reading({"ours": 2.0}, {"ours": [count]}) for count in (1.0, 2.0)]
    figure = made(WANTED, rounds)
    assert figure is not None
    assert figure.series == [2.0]
