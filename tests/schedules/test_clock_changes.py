"""Every change of the clock from 2024 to 2030, against a reference that is not the code."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from pgqueue import Schedule
from tests.schedules.reference import Reference, changes

ZONES = {
    "UTC": 0,
    "Asia/Kolkata": 0,
    "Pacific/Apia": 0,
    "America/Sao_Paulo": 0,
    "America/New_York": 14,
    "America/St_Johns": 14,
    "America/Santiago": 14,
    "Europe/London": 14,
    "Europe/Berlin": 14,
    "Africa/Cairo": 14,
    "Africa/Casablanca": 14,
    "Asia/Gaza": 14,
    "Australia/Lord_Howe": 14,
    "Pacific/Auckland": 14,
}
"""Zones, each with the least number of changes that a reader would expect in seven years."""
EXPRESSIONS = (
    *("30 2 * * *", "0 0 * * *", "15 1 * * *", "0,30 2 * * *", "59 1,3 * * *", "0 1-4 * * *"),
    *(
        "*/15 * * * *",
        "0 * * * *",
        "*/20 2 * * *",
        "30 */2 * * *",
        "5/25 1-3 * * *",
        "0 0-6/3 * * *",
    ),
    *("10 0 * * 0", "0 2 29-31 3,10 *", "*/30 0 * * 5,6", "1-3 0 1-7 * 0"),
)
AROUND = timedelta(hours=14)


def moments(zone: str) -> list[datetime]:
    """The changes of a zone, or two midnights where there are none."""
    return changes(zone, range(2024, 2031)) or [
        datetime(2024, 3, 31, tzinfo=UTC),
        datetime(2027, 10, 31, tzinfo=UTC),
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_the_zones_change_their_clocks_as_expected(zone: str) -> None:
    found = len(changes(zone, range(2024, 2031)))
    assert found >= ZONES[zone]
    assert bool(found) == bool(ZONES[zone])


@pytest.mark.parametrize("zone", ZONES)
def test_every_change(zone: str) -> None:
    for moment in moments(zone):
        after, until = moment - AROUND, moment + AROUND
        for expression in EXPRESSIONS:
            schedule = Schedule(cron=expression, timezone=zone)
            expected = Reference(expression, zone).ticks(after, until)
            found = list(schedule.between(after, until))
            assert found == expected, f"{expression} around {moment}"


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Asia/Gaza"])
def test_a_restart_at_any_moment_gives_the_same_answer(zone: str) -> None:
    for moment in moments(zone)[:1]:
        after, until = moment - timedelta(hours=3), moment + timedelta(hours=3)
        for expression in EXPRESSIONS[:12]:
            schedule = Schedule(cron=expression, timezone=zone)
            once = list(schedule.between(after, until))
            start = after
            while start < until:
                expected = next((tick for tick in once if tick > start), None)
                found = schedule.next_after(start)
                assert found is not None
                assert found == expected or (expected is None and found > until)
                start += timedelta(minutes=7, seconds=7)


def test_a_whole_year_without_gap_or_double() -> None:
    """Quarters of an hour pass evenly whatever the clock does, and days come once each."""
    start, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    even = list(Schedule(cron="*/15 * * * *", timezone="America/St_Johns").between(start, end))
    gaps = {later - earlier for earlier, later in pairwise(even)}
    assert gaps == {timedelta(minutes=15)}
    for zone in ("Europe/Berlin", "America/St_Johns", "Africa/Casablanca"):
        daily = list(Schedule(cron="30 2 * * *", timezone=zone).between(start, end))
        days = [tick.astimezone(ZoneInfo(zone)).date() for tick in daily]
        assert len(days) == len(set(days)) == 365


WALL = "%m-%d %H:%M:%S%z"


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("30 2 * * *", "America/New_York", "2025-03-08T08:00Z", "03-09 03:00:00-0400"),
        ("30 1 * * *", "America/New_York", "2025-11-02T05:00Z", "11-02 01:30:00-0400"),
        ("30 1 * * *", "America/New_York", "2025-11-02T05:30Z", "11-03 01:30:00-0500"),
        ("*/30 1 * * *", "America/New_York", "2025-11-02T05:30Z", "11-02 01:00:00-0500"),
        ("0 0 * * *", "America/Santiago", "2025-09-06T05:00Z", "09-07 01:00:00-0300"),
        ("15 2 * * *", "Australia/Lord_Howe", "2025-10-03T20:00Z", "10-05 02:30:00+1100"),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:00Z", "04-05 01:45:00+1100"),
        ("0 30 2 * * *", "America/New_York", "2025-03-08T08:00Z", "03-09 03:00:00-0400"),
        ("*/20 30 1 * * *", "America/New_York", "2025-11-02T05:30:40Z", "11-03 01:30:00-0500"),
        ("*/20 * * * * *", "America/New_York", "2025-11-02T05:59:40Z", "11-02 01:00:00-0500"),
    ],
)
def test_by_name(expression: str, zone: str, after: str, expected: str) -> None:
    found = Schedule(cron=expression, timezone=zone).next_after(datetime.fromisoformat(after))
    assert found is not None
    assert found.astimezone(ZoneInfo(zone)).strftime(WALL) == expected


@pytest.mark.parametrize("hours", range(0, 24 * 400, 997))
def test_seconds_of_a_second(hours: int) -> None:
    """Ticks are whole seconds, and later than the instant however little."""
    schedule = Schedule(cron="* * * * * *", timezone="Africa/Cairo")
    instant = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours, microseconds=hours)
    expected = instant.replace(microsecond=0) + timedelta(seconds=1)
    assert schedule.next_after(instant) == expected
    assert schedule.next_after(expected - timedelta(microseconds=1)) == expected
