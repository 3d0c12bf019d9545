"""What workers do with schedules: declare them, tick them, and say what cannot be followed."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import InvalidOption, PgQueue, Schedule, ScheduleNotFound, Unique, current_job
from pgqueue.events import ScheduleBroken, ScheduleTicked, Trouble
from pgqueue.worker import ticker
from tests.support.jobs import Connection, row, rows, value, values
from tests.support.working import Events, parts, soon, working

NAMES = "SELECT name FROM pgqueue.schedules ORDER BY name"
TICKS = "SELECT count(*) FROM pgqueue.tick WHERE job_id IS NOT NULL"


async def test_a_declared_schedule_ticks(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    seen: list[tuple[Any, Any]] = []

    @app.task(schedule=Schedule(cron="* * * * * *", missed="all"))
    async def pulse() -> None:
        meta = row(connection, "SELECT meta FROM pgqueue.jobs WHERE id = %s", current_job().id)
        seen.append((meta["meta"]["schedule"], meta["meta"]["tick"]))

    async with working(app):
        await soon(lambda: len(seen) >= 3)
    assert len(set(seen)) == len(seen)
    ticked = events.of(ScheduleTicked)
    assert {(event.schedule, event.task, event.note) for event in ticked} == {
        ("pulse", "pulse", None)
    }
    instants = [datetime.fromisoformat(event.tick) for event in ticked]
    assert instants == [instants[0] + timedelta(seconds=n) for n in range(len(instants))]


async def test_two_workers_make_one_job_a_tick(app: PgQueue, connection: Connection) -> None:
    @app.task(schedule=Schedule(cron="* * * * * *", missed="all"))
    async def pulse() -> None: ...

    async with working(app, name="one"), working(app, name="two"):
        await soon(lambda: value(connection, TICKS) >= 3)
    doubled = "SELECT meta ->> 'tick' FROM pgqueue.jobs GROUP BY 1 HAVING count(*) > 1"
    assert values(connection, doubled) == []


async def test_many_ticking_at_once(app: PgQueue, connection: Connection) -> None:
    """Ten tickers without a pause between their looks, and a schedule that is far behind."""

    @app.task
    async def poll() -> None: ...

    app.schedule("s").put(connection, poll.job(), Schedule(every=1, missed="all", most_missed=9))
    first = "UPDATE pgqueue.schedule SET created_at = now() - interval '1 h', since = created_at"
    connection.execute(first)
    connection.execute("UPDATE pgqueue.schedule SET since = created_at")
    async with working(app, schedules=False) as worker:
        link = parts(worker)._links
        tickers = [
            ticker.Ticker(
                link.make(f"ticker {n}"), "w", app, told=lambda: True, emit=lambda _: None
            )
            for n in range(10)
        ]
        await asyncio.gather(*(each.run_once() for each in tickers))
    assert value(connection, TICKS) == 9
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 9
    dropped = "SELECT count(*) FROM pgqueue.tick WHERE job_id IS NULL"
    assert value(connection, dropped) == 1


@pytest.mark.parametrize(
    ("policy", "jobs", "notes"),
    [
        ({"missed": "skip"}, [], 1),
        ({"missed": "latest"}, [0], 1),
        ({"missed": "all"}, [4, 3, 2, 1, 0], 0),
        ({"missed": "all", "most_missed": 2}, [1, 0], 1),
    ],
    ids=["skip", "latest", "all", "capped"],
)
async def test_after_hours_of_downtime(
    app: PgQueue,
    connection: Connection,
    policy: dict[str, Any],
    jobs: list[int],
    notes: int,
) -> None:
    """An hourly schedule, and nobody there for five ticks, the last half an hour ago."""

    @app.task
    async def report() -> None: ...

    half_past = "SELECT date_trunc('minute', now() - interval '30 minutes')"
    hour = value(connection, half_past).astimezone(UTC)
    schedule = Schedule(cron=f"{hour.minute} * * * *", **policy)
    app.schedule("report").put(connection, report.job(), schedule)
    connection.execute("UPDATE pgqueue.schedule SET next_at = %s", [hour - timedelta(hours=4)])
    async with working(app):
        await soon(lambda: value(connection, "SELECT next_at > now() FROM pgqueue.schedule"))
    ticks = values(connection, "SELECT tick FROM pgqueue.tick WHERE job_id IS NOT NULL ORDER BY 1")
    assert ticks == [hour - timedelta(hours=ago) for ago in jobs]
    assert value(connection, "SELECT count(*) FROM pgqueue.tick WHERE job_id IS NULL") == notes
    assert value(connection, "SELECT next_at FROM pgqueue.schedule") == hour + timedelta(hours=1)


async def test_what_is_no_longer_declared_goes(
    app: PgQueue, dsn: str, connection: Connection
) -> None:
    @app.task(cron="@daily")
    async def kept() -> None: ...

    @app.task
    async def was_declared() -> None: ...

    app.schedule("by hand").put(connection, was_declared.job(), Schedule(every=3600))
    for name, task in (("was_declared", "was_declared"), ("others", "of another application")):
        query = "SELECT pgqueue.put_schedule(%s, %s, cron => '@daily', declared => true)"
        connection.execute(query, [name, task])
    async with working(app):
        await soon(lambda: values(connection, NAMES) == ["by hand", "kept", "others"])


async def test_a_paused_declaration_stays_paused(app: PgQueue, connection: Connection) -> None:
    @app.task(schedule=Schedule(every=3600))
    async def poll() -> None: ...

    handle = app.schedule("poll")
    async with working(app):
        await soon(lambda: values(connection, NAMES) == ["poll"])
    before = row(connection, "SELECT xmin::text, * FROM pgqueue.schedule")
    async with working(app) as worker:
        await soon(lambda: parts(worker)._ticker._declared)
        after = row(connection, "SELECT * FROM pgqueue.schedule")
    assert after["changed_at"] == before["changed_at"]
    assert handle.pause(connection, reason="flood")
    async with working(app) as worker:
        await soon(lambda: parts(worker)._ticker._declared)
    assert handle.get(connection).pause_reason == "flood"


async def test_a_broken_one_harms_no_other(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task
    async def poll() -> None: ...

    put = "SELECT pgqueue.put_schedule(%s, 'poll', cron => %s, timezone => %s)"
    async with working(app):
        for bad in (("never", "0 0 30 2 *", "UTC"), ("nowhere", "@daily", "Mars/Base")):
            connection.execute(put, bad)
        app.schedule("good").put(connection, poll.job(), Schedule(every=1))
        await soon(lambda: value(connection, TICKS) >= 1)
        await soon(lambda: len(events.of(ScheduleBroken)) == 2)
    states = rows(connection, "SELECT name, state, error FROM pgqueue.schedules ORDER BY name")
    assert [found["state"] for found in states] == ["active", "broken", "broken"]
    assert "its day-of-month cannot be" in states[1]["error"]
    assert "there is no time zone 'Mars/Base' here" in states[2]["error"]


async def test_a_job_that_cannot_be_breaks_its_schedule(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    """As when a constraint of the job is stricter than the schedule's, by somebody's hand."""

    @app.task
    async def poll() -> None: ...

    connection.execute("ALTER TABLE pgqueue.job ADD CONSTRAINT \"not here\" CHECK (queue <> 'x')")
    app.schedule("bad").put(connection, poll.using(queue="x").job(), Schedule(every=1))
    app.schedule("good").put(connection, poll.job(), Schedule(every=1))
    async with working(app):
        await soon(lambda: events.of(ScheduleBroken))
        await soon(lambda: value(connection, TICKS) >= 1)
    (broken,) = events.of(ScheduleBroken)
    assert (broken.schedule, "not here" in broken.error) == ("bad", True)
    assert value(connection, "SELECT count(*) FROM pgqueue.tick WHERE schedule = 'bad'") == 0


async def test_a_declaration_whose_name_is_taken(
    app: PgQueue, connection: Connection, events: Events
) -> None:
    @app.task(cron="@daily")
    async def report() -> None: ...

    @app.task(cron="@daily")
    async def after() -> None: ...

    connection.execute("SELECT pgqueue.put_schedule('report', 'other', every => '1 h')")
    async with working(app):
        await soon(lambda: events.of(ScheduleBroken))
        await soon(lambda: values(connection, NAMES) == ["after", "report"])
    (broken,) = events.of(ScheduleBroken)
    assert 'schedule "report" is taken: it was made at run time' in broken.error
    assert value(connection, "SELECT task FROM pgqueue.schedules WHERE name = 'report'") == "other"


async def test_applications_leave_each_other_their_schedules(
    app: PgQueue, dsn: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two declare one name for queues of their own, and a third has such a task without a schedule.
    What the second one declares is put when the first has gone, as when a task has moved.
    """
    monkeypatch.setattr(ticker, "DECLARE_AGAIN", 0.0)
    monkeypatch.setattr(ticker, "LONGEST_SLEEP", 0.2)
    others = [PgQueue(dsn), PgQueue(dsn)]
    heard = Events()
    others[0].observer(heard)

    async def cleanup() -> None: ...

    app.task(queue="a", cron="0 3 * * *")(cleanup)
    others[0].task(queue="b", cron="0 4 * * *")(cleanup)
    others[1].task(cleanup)
    there = "SELECT queue || ' ' || cron FROM pgqueue.schedules"
    async with contextlib.AsyncExitStack() as stack:
        async with working(app) as first:
            await soon(lambda: parts(first)._ticker._declared)
            await stack.enter_async_context(working(others[0]))
            third = await stack.enter_async_context(working(others[1]))
            await soon(lambda: parts(third)._ticker._declared and heard.of(ScheduleBroken))
            assert values(connection, there) == ["a 0 3 * * *"]
        await soon(lambda: values(connection, there) == ["b 0 4 * * *"])
    (broken,) = heard.of(ScheduleBroken)
    assert broken.error == (
        'schedule "cleanup" is taken: a live worker declares it for queue "a". It is put once that '
        "has changed. If two applications have a task of this name, give one of the tasks another: "
        "name=."
    )


@pytest.mark.parametrize("settings", [{"schedules": False}, {"once": True}])
async def test_workers_that_do_not_tick(
    app: PgQueue, connection: Connection, settings: dict[str, bool]
) -> None:
    @app.task(cron="@daily")
    async def report() -> None: ...

    job = report.enqueue(connection)
    async with working(app, **settings):
        await soon(lambda: job.state(connection) == "succeeded")
    assert values(connection, NAMES) == []


async def test_a_schedule_of_an_unknown_task_does_not_tick(
    app: PgQueue, connection: Connection
) -> None:
    @app.task(schedule=Schedule(every=1))
    async def known() -> None: ...

    connection.execute("SELECT pgqueue.put_schedule('gone', 'gone', every => '1 s')")
    async with working(app):
        await soon(lambda: value(connection, TICKS) >= 2)
        found = rows(connection, "SELECT name, known FROM pgqueue.schedules ORDER BY name")
    assert found == [{"name": "gone", "known": False}, {"name": "known", "known": True}]
    assert values(connection, "SELECT DISTINCT schedule FROM pgqueue.tick") == ["known"]


async def test_a_note_tells_of_a_new_schedule(app: PgQueue, connection: Connection) -> None:
    """The worker would look again after 20 seconds only."""

    @app.task
    async def poll() -> None: ...

    async with working(app) as worker:
        await soon(lambda: parts(worker).listener.working)
        await soon(lambda: parts(worker)._ticker._declared)
        at = value(connection, "SELECT now()")
        app.schedule("now").put(connection, poll.job(), Schedule(at=at))
        await soon(lambda: value(connection, TICKS) == 1, within=4)


async def test_it_survives_what_fails(
    app: PgQueue, connection: Connection, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.task(schedule=Schedule(every=1))
    async def poll() -> None: ...

    monkeypatch.setattr(ticker, "AFTER_TROUBLE", timedelta(milliseconds=50))
    connection.execute("ALTER FUNCTION pgqueue.due_schedules RENAME TO elsewhere")
    async with working(app):
        await soon(lambda: events.of(Trouble))
        connection.execute("ALTER FUNCTION pgqueue.elsewhere RENAME TO due_schedules")
        await soon(lambda: value(connection, TICKS) >= 1)
    assert events.of(Trouble)[0].where == "ticker (look)"


async def test_an_idle_worker_hardly_looks(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    look = ticker.Ticker._tick_all

    async def counted(self: ticker.Ticker) -> float:
        looks.append(await look(self))
        return looks[-1]

    monkeypatch.setattr(ticker.Ticker, "_tick_all", counted)

    @app.task
    async def nothing() -> None: ...

    async with working(app) as worker:
        await soon(lambda: parts(worker).listener.working and looks)
        parts(worker)._ticker.poke()
        await soon(lambda: len(looks) == 2)
    assert looks[-1] > ticker.LONGEST_SLEEP - 1


# Handles


async def test_a_name_that_another_application_declares_leaves_the_transaction(
    app: PgQueue, dsn: str, connection: Connection
) -> None:
    @app.task
    async def sync() -> None: ...

    declare = "SELECT pgqueue.put_schedule('report', 'other', every => '1 h', declared => true)"
    connection.execute(declare)
    taken = (
        'schedule "report" is taken: it is declared in the code of task "other". Change it there, '
        "or give yours another name."
    )
    with psycopg.connect(dsn) as mine:
        sync.enqueue(mine)
        with pytest.raises(InvalidOption) as raised:
            app.schedule("report").put(mine, sync.job(), Schedule(every=60))
    assert str(raised.value) == taken
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 1


async def test_the_handle_in_your_transaction(
    app: PgQueue, dsn: str, connection: Connection
) -> None:
    @app.task
    async def sync(region: str) -> None: ...

    handle = app.schedule("sync-eu")
    job = sync.using(queue="slow", tags=["eu"], timeout=5, order_key="eu").job(region="eu")
    with psycopg.connect(dsn) as mine:
        assert handle.put(mine, job, Schedule(every=90, jitter=5, overlap="skip"))
        assert handle.get(mine).every == timedelta(seconds=90)
        mine.rollback()
        with pytest.raises(ScheduleNotFound, match='no schedule "sync-eu" that this connection'):
            handle.get(mine)
        with pytest.raises(ScheduleNotFound):
            handle.run_now(mine)
    async with await psycopg.AsyncConnection.connect(dsn) as theirs:
        assert await handle.put(theirs, job, Schedule(cron="@daily", missed="all", most_missed=7))
        assert await handle.pause(theirs, reason="why")
        assert await handle.resume(theirs)
        made = await handle.run_now(theirs)
        record = await handle.get(theirs)
    assert (made.task, made.queue) == ("sync", "slow")
    found = made.get(connection)
    assert (found.args, found.tags, found.timeout) == (
        '{"region": "eu"}', ["eu"], timedelta(seconds=5)
    )  # fmt: skip
    assert found.flow == record.flow == '{"order_key": "eu"}'
    assert (record.missed, record.most_missed, record.state) == ("all", 7, "active")
    assert record.created_at.tzinfo is not None
    once = app.schedule("once")
    once.put(None, sync.using(unique=Unique()).job(region="eu"), Schedule(cron="@daily"))
    first, second = once.run_now(), once.run_now()
    assert (first.created, second.created, first == second) == (True, False, True)
    assert handle.delete(None) is True
    assert handle.delete() is False
    assert handle.put(None, job, Schedule(at=datetime(2999, 1, 1, tzinfo=UTC))) is True
    assert handle.get().at == datetime(2999, 1, 1, tzinfo=UTC)
