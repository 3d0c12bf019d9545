"""Durations, moments and conditions as they are typed."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from pgqueue.cli.values import QUEUE_LIMIT, QUEUE_WEIGHT, WHERE, parse_duration, parse_moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("2h30m", 9000),
        ("1.5d", 129_600),
        ("2w", 1_209_600),
        ("250ms", 0.25),
        ("45", 45),
        (" 0.5 ", 0.5),
        ("0", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "-5s", "5x", "m5", "1h-", "1 h", "١s", "9" * 30, "1e3s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|1000 years"):
        parse_duration(text)


def test_moments() -> None:
    past = parse_moment("1h", durations_are_past=True)
    assert (past.at, past.offset) == (None, timedelta(hours=-1))
    assert parse_moment("now+10m", durations_are_past=False).offset == timedelta(minutes=10)
    assert parse_moment("now-1d", durations_are_past=False).offset == timedelta(days=-1)
    assert parse_moment("now", durations_are_past=True).offset == timedelta(0)
    instant = parse_moment("2026-11-22T13:00+01:00", durations_are_past=True).at
    assert instant == datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["1h", "tomorrow", "2026-11-22", "2026-11-22T12:00", "0001-01-01T00:00Z", "now+", "now*2"],
)
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError):
        parse_moment(text, durations_are_past=False)


def test_queues_with_limits() -> None:
    assert QUEUE_LIMIT.convert("mail", None, None) == ("mail", None)
    assert QUEUE_LIMIT.convert("mail:10", None, None) == ("mail", 10)
    assert QUEUE_LIMIT.convert("a:b:3", None, None) == ("a:b", 3)
    assert QUEUE_LIMIT.convert("a:b:", None, None) == ("a:b", None)
    for text in ("mail:0", "mail:-1", "mail:x", "mail:100001"):
        with pytest.raises(click.BadParameter):
            QUEUE_LIMIT.convert(text, None, None)


def test_queues_with_weights() -> None:
    assert QUEUE_WEIGHT.convert("mail=3", None, None) == ("mail", 3)
    assert QUEUE_WEIGHT.convert("a=b=1000", None, None) == ("a=b", 1000)
    assert QUEUE_WEIGHT.convert(("mail", 3), None, None) == ("mail", 3)
    for text in ("mail", "mail=", "=3", "mail=0", "mail=-1", "mail=x", "mail=1001", "mail=1.5", ""):
        with pytest.raises(click.BadParameter, match="is not a weight: write email=3"):
            QUEUE_WEIGHT.convert(text, None, None)


def test_conditions() -> None:
    where = WHERE.convert("args.user.id=a=b", None, None)
    assert (where.document, where.path, where.is_equal, where.value) == (
        "args",
        ["user", "id"],
        True,
        "a=b",
    )
    assert WHERE.convert("meta.x!=1", None, None).is_equal is False
    for text in ("args=1", "state.x=1", "args.", "x"):
        with pytest.raises(click.BadParameter):
            WHERE.convert(text, None, None)
