"""Whoever sleeps counts how often it is woken, and says when that is too often."""

import time

import psycopg
import pytest

from pgqueue.database.link import Link
from pgqueue.worker.listener import COUNTING, MANY_SOON, MOST_RINGING, Listener

DSN = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
async def listener() -> Listener:
    """A listener that never connects."""
    link = Link(DSN, "listener", report=lambda *_: None)
    return Listener(link, "w", ["a", "b"], soon=lambda: None, emit=lambda event: None)


@pytest.mark.parametrize(
    ("rings", "since", "commit", "too_often"),
    [
        (0, 0.0, 1.0, False),
        (1, 0.0, MOST_RINGING * COUNTING * 0.99, False),
        (1, 0.0, MOST_RINGING * COUNTING * 1.01, True),
        (100, 0.0, 0.001, False),
        (126, 0.0, 0.001, True),
        (1_000, 10.0, 0.001, False),
        (5_100, 10.0, 0.001, True),
        (10, 10.0, 0.01, False),
    ],
)
async def test_rings_may_take_half_of_the_time(
    listener: Listener, rings: int, since: float, commit: float, too_often: bool
) -> None:
    listener._rings = rings
    listener._counted_since = time.monotonic() - since
    assert listener.rang_too_often(commit) is too_often


async def test_a_short_burst_goes_on_being_counted(listener: Listener) -> None:
    began = (5, time.monotonic() + 3600)
    listener._rings, listener._counted_since = began
    assert not listener.rang_too_often(0.001)
    assert (listener._rings, listener._counted_since) == began


@pytest.mark.parametrize("rings", [1, 1_000_000])
async def test_counting_begins_anew_after_a_while_and_after_too_many(
    listener: Listener, rings: int
) -> None:
    before = listener._counted_since = time.monotonic() - 2 * COUNTING
    listener._rings = rings
    assert listener.rang_too_often(0.001) is (rings > 1)
    assert listener._rings == 0
    assert listener._counted_since > before


def hear(listener: Listener, payload: str) -> None:
    listener._heard(psycopg.Notify("pgqueue", payload, 1))


async def test_notes_for_scheduled_jobs_are_counted_too(listener: Listener) -> None:
    listener._keys = {"1": "a", "2": "b"}
    for _ in range(MANY_SOON - 1):
        hear(listener, "soon 1")
    assert not await listener.sleep(0.0)
    hear(listener, "soon 2")
    assert await listener.sleep(0.0), "somebody has to see whether they are too many"
    assert listener._rings == MANY_SOON


async def test_who_waits_for_another_holder(listener: Listener) -> None:
    listener._keys, listener._held = {"1": "a", "2": "b"}, ["a"]
    assert not listener.is_for_another_holder
    hear(listener, "2")
    assert listener.is_for_another_holder
    hear(listener, "1")
    assert not listener.is_for_another_holder, "one of the bells is ours"
    listener._clear()
    hear(listener, "2")
    listener.rouse()
    assert not listener.is_for_another_holder, "there is a reason of our own"
