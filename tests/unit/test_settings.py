"""Worker settings validate themselves, before a worker connects to anything."""

import dataclasses
from typing import Any, get_type_hints

import pytest

from pgqueue import InvalidOption, PgQueue, WorkerSettings
from pgqueue.settings import WorkerOptions


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"queues": {}}, "a worker needs at least one queue."),
        ({"queues": {"": 1}}, "queue has 1 to 100 bytes, got 0."),
        ({"queues": {"a": 0}}, "the limit of queue a lies between 1 and 100000, got 0."),
        ({"queues": {"a": "5"}}, "the limit of queue a is an integer, got str."),
        (
            {"queues": ["a", "b"]},
            'queues maps names to limits, as in {"default": None}, got list.',
        ),
        (
            {"queues": "default"},
            'queues maps names to limits, as in {"default": None}, got str.',
        ),
        ({"weights": {"mail": 3}}, 'weights names the queue "mail", which is not served.'),
        (
            {"queues": {"a": None}, "weights": {"a": 0}},
            "the weight of queue a lies between 1 and 1000, got 0.",
        ),
        (
            {"queues": {"a": None}, "weights": {"a": 1001}},
            "the weight of queue a lies between 1 and 1000, got 1001.",
        ),
        (
            {"queues": {"a": None}, "weights": {"a": 1.5}},
            "the weight of queue a is an integer, got float.",
        ),
        (
            {"queues": {"a": None}, "weights": {"a": None}},
            "the weight of queue a is an integer, got NoneType.",
        ),
        (
            {"queues": {"a": None}, "weights": ["a"]},
            "weights maps names of queues to numbers, got list.",
        ),
        (
            {"queues": {"a": None, "b": None}, "weights": {"a": 2}, "strict": True},
            "strict and weights exclude each other: queues in strict order have no shares.",
        ),
        ({"strict": 1}, "strict is True or False, got 1."),
        ({"concurrency": 0}, "concurrency lies between 1 and 100000, got 0."),
        ({"concurrency": True}, "concurrency is an integer, got bool."),
        ({"prefetch": -1}, "prefetch lies between 0 and 10000, got -1."),
        ({"children": 0}, "children lies between 1 and 1000, got 0."),
        ({"max_jobs": 0}, "max_jobs lies between 1 and 1000000000, got 0."),
        ({"max_rss_mb": 1.5}, "max_rss_mb is an integer, got float."),
        ({"poll": 0}, "poll lies between 0.01 and 100000000 seconds, got 0."),
        ({"poll": "1"}, "poll is a number of seconds, got str."),
        ({"poll": float("nan")}, "poll lies between 0.01 and 100000000 seconds, got nan."),
        ({"heartbeat": -1}, "heartbeat lies between 0.01 and 100000000 seconds, got -1."),
        ({"grace": -0.5}, "grace lies between 0 and 100000000 seconds, got -0.5."),
        ({"max_idle": float("inf")}, "max_idle lies between 0 and 100000000 seconds, got inf."),
        (
            {"heartbeat": 5, "lease": 9.9},
            "lease (9.9 s) must be at least twice the heartbeat (5 s), "
            "or one late heartbeat would give running jobs to others.",
        ),
        ({"name": ""}, "name has 1 to 100 bytes, got 0."),
        ({"name": 5}, "name is a string, got int."),
    ],
)
def test_settings_out_of_bounds(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        WorkerSettings(**settings)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"queues": {"a": None, "b": 1}, "concurrency": 1, "prefetch": 0, "grace": 0, "max_idle": 0},
        {
            "heartbeat": 0.5,
            "lease": 1,
            "name": "😀",
            "once": True,
            "max_jobs": 1,
            "max_rss_mb": 100,
        },
    ],
)
def test_settings_within_bounds(settings: dict[str, Any]) -> None:
    found = WorkerSettings(**settings)
    assert {name: getattr(found, name) for name in settings} == settings


def test_a_queue_without_a_weight_weighs_one() -> None:
    settings = WorkerSettings(queues={"a": None, "b": 2}, weights={"a": 1000})
    assert (settings.weight_of("a"), settings.weight_of("b")) == (1000, 1)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        WorkerSettings().poll = 2.0  # type: ignore[misc]  # the mistake


def test_a_worker_checks_its_settings_before_it_runs() -> None:
    app = PgQueue("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(InvalidOption, match="concurrency"):
        app.worker(concurrency=0)
    with pytest.raises(InvalidOption, match="concurrency"):
        app.run_worker(concurrency=0)
    with pytest.raises(InvalidOption, match=r"no setting concurency\. Did you mean concurrency"):
        app.worker(concurency=1)


def test_keyword_arguments_are_the_fields() -> None:
    fields = get_type_hints(WorkerSettings)
    assert get_type_hints(WorkerOptions) == fields
    assert list(fields) == [field.name for field in dataclasses.fields(WorkerSettings)]
