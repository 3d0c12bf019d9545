"""The value Schedule: what it refuses, how its sums come out, what is owed after a pause."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pgqueue import InvalidOption, PgQueue, Schedule, Unique
from pgqueue.catching_up import Plan, plan
from pgqueue.cron import Cron

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "one of cron, every and at, got none of them"),
    ({"cron": "* * * * *", "every": 5}, "got cron and every"),
    ({"cron": "0 0 30 2 *"}, "its day-of-month cannot be"),
    ({"cron": "0 0 31 4,6 *"}, "its day-of-month cannot be"),
    ({"cron": "60 * * * *"}, "its minute cannot be"),
    ({"cron": "* * * *"}, "it has not 5 or 6 fields"),
    ({"cron": ""}, "it has not 5 or 6 fields"),
    ({"cron": "* * * * 1#2/2"}, "Write minute hour"),
    ({"cron": "@reboot"}, "knows no word '@reboot'. There are: @hourly"),
    ({"cron": 5}, "cron is a string, got int"),
    ({"cron": "*" * 201}, "at most 200 bytes"),
    ({"cron": "* * * * *", "timezone": "Europe/Berln"}, "Did you mean Europe/Berlin?"),
    ({"cron": "* * * * *", "timezone": "../UTC"}, "no time zone '../UTC'"),
    ({"cron": "* * * * *", "timezone": "localtime"}, "no time zone 'localtime' here. Write it as"),
    ({"cron": "* * * * *", "timezone": None}, "timezone is a name, got NoneType"),
    ({"every": 60, "timezone": "Europe/Berlin"}, "timezone goes with cron, not with every"),
    ({"every": 0.5}, "at least one second, got 0.5"),
    ({"every": -1}, "must be positive"),
    ({"every": "5m"}, "a timedelta or a number of seconds, got str"),
    ({"every": 60, "jitter": 60}, "must be shorter than every"),
    ({"at": "2026-01-01"}, "at is a datetime, got str"),
    ({"at": datetime(2026, 1, 1)}, "names no instant"),  # noqa: DTZ001 - that is the mistake
    ({"at": datetime(1, 1, 1, tzinfo=UTC)}, "between the years 2 and 9998"),
    ({"cron": "@daily", "jitter": timedelta(days=2)}, "at most a day"),
    ({"cron": "@daily", "jitter": -1}, "must not be negative"),
    ({"cron": "@daily", "missed": "none"}, 'missed is "skip", "latest" or "all"'),
    ({"cron": "@daily", "overlap": "never"}, 'overlap is "allow", "skip" or "queue"'),
    ({"cron": "@daily", "missed": "all", "most_missed": 0}, "most_missed lies between 1 and 10000"),
    ({"cron": "@daily", "most_missed": 5}, 'bounds missed="all", but missed is "latest"'),
]


@pytest.mark.parametrize(("options", "why"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidOption) as raised:
        Schedule(**options)
    assert why in str(raised.value)


@pytest.mark.parametrize("word", ["hourly", "daily", "midnight", "weekly", "monthly", "yearly"])
def test_words(word: str) -> None:
    ticks = Schedule(cron=f"@{word}", timezone="Europe/Berlin").after(NOON)
    first, second = next(ticks), next(ticks)
    least = {"hourly": 1, "weekly": 24 * 7 - 1, "monthly": 24 * 28 - 1, "yearly": 24 * 365}
    assert second - first >= timedelta(hours=least.get(word, 23))
    assert first.minute == 0
    assert Schedule(cron=" @YEARLY ").next_after(NOON) == datetime(2027, 1, 1, tzinfo=UTC)
    assert Schedule(cron="@annually").next_after(NOON) == datetime(2027, 1, 1, tzinfo=UTC)


def test_it_is_a_frozen_value() -> None:
    one, other = Schedule(every=60), Schedule(every=timedelta(minutes=1))
    assert (one, hash(one)) == (other, hash(other))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.missed = "all"  # type: ignore[misc]  # that is the point


def test_intervals_count_from_their_anchor() -> None:
    schedule = Schedule(every=90)
    anchor = NOON + timedelta(seconds=17, microseconds=5)
    assert schedule.next_after(NOON, anchor=anchor) == anchor + timedelta(seconds=90)
    later = anchor + timedelta(seconds=90)
    assert schedule.next_after(later, anchor=anchor) == anchor + timedelta(seconds=180)
    found = schedule.newest(anchor, anchor + timedelta(days=3650), 3, anchor=anchor)
    assert found[-1] == anchor + timedelta(days=3650)
    assert len(found) == 3


def test_a_one_off_happens_once() -> None:
    schedule = Schedule(at=NOON)
    assert schedule.next_after(NOON - timedelta(seconds=1)) == NOON
    assert schedule.next_after(NOON) is None


@given(
    st.sampled_from(["* * * * * *", "*/7 * * * *", "30 2 * * *", "0 0 29 2 *", "0 9 * * 1-5"]),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 3 * 10**6),
    st.integers(1, 12),
)
@example("30 2 * * *", "America/New_York", 9 * 86400, 3)
@settings(max_examples=60, deadline=None)
def test_the_newest_are_the_last_of_all(text: str, zone: str, length: int, most: int) -> None:
    schedule = Schedule(cron=text, timezone=zone)
    length = length % 3000 if text.startswith("* ") else length
    until = NOON + timedelta(seconds=length)
    expected = list(schedule.between(NOON, until))[-most:]
    assert schedule.newest(NOON, until, most) == expected


FIELD = st.text("0123456789*/,-#LWMONFRI ", max_size=12)


@given(st.lists(FIELD, min_size=1, max_size=7).map(" ".join) | st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        cron = Cron(text)
    except InvalidOption:
        return
    found = cron.next_after(NOON)
    assert found is not None
    assert found > NOON
    assert cron.explain()


# What is owed


def owed(
    schedule: Schedule, seconds: float, next_at: datetime | None = NOON
) -> tuple[list[float], float | None, float | None]:
    """What is owed so many seconds after noon, all in seconds after noon."""
    now = NOON + timedelta(seconds=seconds)
    found = plan(schedule, now=now, next_at=next_at, since=NOON, created_at=NOON)

    def after(instant: datetime | None) -> float | None:
        return None if instant is None else (instant - NOON).total_seconds()

    return [after(tick) or 0.0 for tick in found.ticks], after(found.dropped), after(found.next_at)


MINUTELY = "* * * * *"


@pytest.mark.parametrize(
    ("policy", "late", "expected"),
    [
        # on time, or late by less than a minute: nothing is missed
        *(({"missed": m}, 0, ([0], None, 60)) for m in ("skip", "latest", "all")),
        *(({"missed": m}, 59.9, ([0], None, 60)) for m in ("skip", "latest", "all")),
        # the successor is due
        ({"missed": "skip"}, 61, ([60], 0, 120)),
        ({"missed": "latest"}, 61, ([60], 0, 120)),
        ({"missed": "all"}, 61, ([0, 60], None, 120)),
        # a long time
        ({"missed": "skip"}, 86_400 + 59, ([86_400], 86_340, 86_460)),
        ({"missed": "latest"}, 86_400 + 59, ([86_400], 86_340, 86_460)),
        ({"missed": "all", "most_missed": 2}, 86_400, ([86_340, 86_400], 86_280, 86_460)),
        ({"missed": "all", "most_missed": 3}, 120, ([0, 60, 120], None, 180)),
    ],
)
def test_catching_up(policy: dict[str, Any], late: float, expected: Any) -> None:
    assert owed(Schedule(cron=MINUTELY, **policy), late) == expected


@pytest.mark.parametrize(
    ("missed", "late", "ticks"),
    [("skip", 60, [0]), ("skip", 60.001, []), ("latest", 7000, [0]), ("all", 7000, [0])],
)
def test_a_tick_older_than_a_minute_is_missed(missed: Any, late: float, ticks: list[int]) -> None:
    found, dropped, next_at = owed(Schedule(every=7200, missed=missed), late)
    assert (found, next_at) == (ticks, 7200)
    assert dropped == (None if ticks else 0)


@pytest.mark.parametrize("missed", ["skip", "latest"])
def test_a_one_off_is_owed_once(missed: Any) -> None:
    schedule = Schedule(at=NOON, missed=missed)
    assert owed(schedule, -5, None) == ([], None, 0)
    assert owed(schedule, 5, None) == ([0], None, None)
    late = owed(schedule, 3600, None)
    assert late == (([0], None, None) if missed == "latest" else ([], 0, None))


def test_what_was_due_before_anybody_looked_is_owed() -> None:
    assert owed(Schedule(cron=MINUTELY), 30, None) == ([], None, 60)
    assert owed(Schedule(cron=MINUTELY), 61, None) == ([60], None, 120)


def test_ten_years_are_caught_up_with_quickly() -> None:
    schedule = Schedule(cron="* * * * * *", missed="all")
    now = NOON + timedelta(days=3650)
    found = plan(schedule, now=now, next_at=NOON, since=NOON, created_at=NOON)
    expected = tuple(now - timedelta(seconds=age) for age in range(99, -1, -1))
    last = now - timedelta(seconds=100)
    assert found == Plan(expected, last, now + timedelta(seconds=1))


# Declaring


@pytest.fixture
def app() -> Iterator[PgQueue]:
    app = PgQueue("postgresql://nowhere")
    yield app
    app.close()


def test_a_task_declares_its_schedule(app: PgQueue) -> None:
    @app.task(cron="0 9 * * 1-5", timezone="America/New_York")
    def report(day: str | None = None) -> None: ...

    @app.task(schedule=Schedule(every=60))
    async def poll() -> None: ...

    assert dict(app.schedules) == {
        "report": Schedule(cron="0 9 * * 1-5", timezone="America/New_York"),
        "poll": Schedule(every=60),
    }
    with pytest.raises(InvalidOption, match="is declared by a task of this application"):
        app.schedule("poll").put(None, poll.job(), Schedule(every=5))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"cron": "0 0 30 2 *"}, "its day-of-month cannot be"),
        ({"timezone": "UTC"}, "timezone= goes with cron="),
        ({"cron": "@daily", "schedule": Schedule(every=5)}, "leave cron= and timezone= out"),
        ({"schedule": "@daily"}, "schedule is a Schedule, such as Schedule"),
        (
            {"schedule": Schedule(every=5, overlap="queue"), "order_key": "one"},
            "order_key= exclude each other",
        ),
        ({"cron": "@daily", "max_backlog": 5}, "and a tick is not refused. Leave it out"),
        ({"cron": "@daily"}, "missing argument region: a task that declares a schedule is called"),
    ],
)
def test_declarations_that_cannot_be(app: PgQueue, options: dict[str, Any], why: str) -> None:
    def sync(region: str) -> None: ...

    def poll() -> None: ...

    with pytest.raises(InvalidOption) as raised:
        app.task(**options)(sync if "region" in why else poll)
    assert why in str(raised.value)
    assert not app.schedules
    assert not app.tasks


def test_what_cannot_be_put(app: PgQueue) -> None:
    @app.task
    def sync(region: str) -> None: ...

    handle, every = app.schedule("sync-eu"), Schedule(every=60)
    for job, schedule, why in (
        (sync, every, "makes a task.job"),
        (sync.job("eu"), "@daily", "is a Schedule, such as"),
        (sync.using(delay=5).job("eu"), every, "leave run_at and delay out"),
        (
            sync.using(order_key="eu").job("eu"),
            Schedule(every=60, overlap="queue"),
            "order_key= exclude each other",
        ),
        (
            sync.using(unique=Unique(on_conflict="raise")).job("eu"),
            every,
            "would raise where nobody listens",
        ),
        (
            sync.using(expires=60).job("eu"),
            Schedule(every=3600, jitter=60),
            "would expire before it is due",
        ),
        (sync.using(expires=NOON).job("eu"), every, "after a time, not at one"),
        (sync.using(max_backlog=5).job("eu"), every, "and a tick is not refused"),
    ):
        with pytest.raises(InvalidOption, match=why):
            handle.put(None, job, schedule)  # type: ignore[call-overload]  # that is the mistake
    with pytest.raises(InvalidOption, match="schedule name has 1 to 200 bytes"):
        app.schedule("")
