"""What workers count and tell the database: statistics, samples, declarations of their tasks."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pgqueue import Cancel, PgQueue, Snooze, current_job
from pgqueue.database import link
from pgqueue.events import Trouble
from pgqueue.outcome import Dead, Outcome, Retrying, Snoozed, Succeeded
from pgqueue.worker import recorder
from pgqueue.worker.recorder import BOUNDS, CHUNK, Recorder
from tests.support.jobs import Connection, enqueue, expire, register, row, rows, value
from tests.support.working import Events, all_ended, asleep, become, parts, soon, working

TOTALS = """
    SELECT coalesce(sum(succeeded), 0) AS succeeded, coalesce(sum(retried), 0) AS retried,
           coalesce(sum(dead), 0) AS dead, coalesce(sum(cancelled), 0) AS cancelled,
           coalesce(sum(snoozed), 0) AS snoozed
    FROM pgqueue.statistic WHERE span = %s
"""


async def test_every_end_is_counted_once(app: PgQueue, connection: Connection) -> None:
    @app.task
    async def fine() -> None:
        await asyncio.sleep(0.02)

    @app.task(max_attempts=2, retry=lambda attempt, error: timedelta(0))
    def fails() -> None:
        raise ValueError

    @app.task(queue="other")
    async def snoozes() -> None:
        if not current_job().checkpoint:
            current_job().progress(1, checkpoint={"been": "here"})
            raise Snooze(0)
        raise Cancel

    jobs = [task.enqueue(connection) for task in (fine, fine, fine, fails, snoozes)]
    async with working(app, queues={"default": None, "other": None}):
        for job, state in zip(jobs, ["succeeded"] * 3 + ["dead", "cancelled"], strict=True):
            await become(connection, job, state)
    expected = {"succeeded": 3, "retried": 1, "dead": 1, "cancelled": 1, "snoozed": 1}
    for span in ("1 minute", "1 hour"):
        assert row(connection, TOTALS, span) == expected
    query = "SELECT * FROM pgqueue.task_statistics(now() - interval '1 hour')"
    by_task = {each["task"]: each for each in rows(connection, query)}
    assert {name: each["queue"] for name, each in by_task.items()} == {
        "fine": "default",
        "fails": "default",
        "snoozes": "other",
    }
    assert by_task["fine"]["run_p50"] > 0.016 > by_task["fails"]["run_p50"]
    sums = row(
        connection,
        "SELECT sum(run_seconds) AS ran, sum(wait_seconds) AS waited FROM pgqueue.statistic "
        "WHERE span = '1 hour' AND task = 'fine'",
    )
    assert sums["ran"] >= 0.06
    assert sums["waited"] > 0


async def test_they_are_written_while_the_worker_works(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an idle one writes nothing."""
    monkeypatch.setattr(recorder, "EVERY", 0.05)
    sent: list[str] = []

    async def counted(connection: Any, query: str, *rest: Any) -> Any:
        sent.append(query)
        return await fetch(connection, query, *rest)

    async def looks(recorder: Recorder) -> bool:
        nonlocal looked
        looked += 1
        return await write(recorder)

    looked, fetch, write = 0, link._fetch, Recorder.write
    monkeypatch.setattr(link, "_fetch", counted)
    monkeypatch.setattr(Recorder, "write", looks)

    @app.task
    async def t() -> None: ...

    def written() -> int:
        return int(row(connection, TOTALS, "1 hour")["succeeded"])

    async with working(app) as worker:
        t.enqueue(connection)
        await soon(lambda: written() == 1)
        t.enqueue(connection)
        await soon(lambda: written() == 2)
        await soon(lambda: asleep(worker))
        looked = 0
        await soon(lambda: looked >= 5)
        assert sum("count_attempts" in query for query in sent) == 2


async def test_what_cannot_be_written_is_written_later(
    app: PgQueue, connection: Connection, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "EVERY", 0.05)

    @app.task
    async def t() -> None: ...

    connection.execute("ALTER FUNCTION pgqueue.count_attempts RENAME TO gone")
    async with working(app):
        for _ in range(3):
            t.enqueue(connection)
        await soon(lambda: len([e for e in events.of(Trouble) if e.where == "statistics"]) >= 2)
        await all_ended(connection)
        connection.execute("ALTER FUNCTION pgqueue.gone RENAME TO count_attempts")
        await soon(lambda: row(connection, TOTALS, "1 minute")["succeeded"] == 3)


JANITOR = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name LIKE 'pgqueue janitor%%' AND datname = current_database()
"""


async def test_the_last_is_written_on_a_new_connection_if_need_be(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the chore that was under way had to be broken off."""
    monkeypatch.setattr(recorder, "EVERY", 3600.0)

    @app.task
    async def t() -> None: ...

    async with working(app):
        await become(connection, t.enqueue(connection), "succeeded")
        connection.execute("SELECT pg_terminate_backend(%s)", [value(connection, JANITOR)])
    assert row(connection, TOTALS, "1 hour")["succeeded"] == 1


async def test_a_write_that_has_begun_counts_once_when_the_worker_stops(
    app: PgQueue, connection: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "EVERY", 0.05)

    @app.task
    async def t() -> None: ...

    other.execute("BEGIN")
    other.execute("LOCK TABLE pgqueue.statistic IN ACCESS EXCLUSIVE MODE")
    blocked = f"SELECT count(*) FROM ({JANITOR} AND wait_event_type = 'Lock') AS b"
    async with working(app) as worker:
        await become(connection, t.enqueue(connection), "succeeded")
        await soon(lambda: value(connection, blocked) == 1)
        worker.stop()
        await soon(lambda: value(connection, "SELECT draining_at FROM pgqueue.worker") is not None)
        other.execute("COMMIT")
    assert row(connection, TOTALS, "1 hour")["succeeded"] == 1


async def test_rescued_jobs_are_counted_by_who_rescues_them(
    app: PgQueue, connection: Connection
) -> None:
    for attempts in (1, 1, 5):
        enqueue(connection, "unknown", max_attempts=attempts)
    lost = register(connection)
    claims = "UPDATE pgqueue.job SET lease = id, worker_id = %s, attempt = 1"
    connection.execute(claims, [lost])
    expire(connection, lost)
    async with working(app):
        await soon(lambda: row(connection, TOTALS, "1 hour")["dead"] == 2)
    found = row(connection, TOTALS, "1 hour")
    assert (found["retried"], found["succeeded"]) == (1, 0)


async def test_a_janitor_samples_the_queues(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.janitor.SAMPLE_EVERY", 0.05)
    async with working(app) as worker:
        parts(worker)._janitor._sample_due = 0.0
        parts(worker)._janitor.poke()
        await soon(lambda: value(connection, "SELECT count(*) FROM pgqueue.queue_sample") >= 1)


async def test_a_worker_declares_its_tasks(app: PgQueue, connection: Connection) -> None:
    @app.task(
        queue="pay",
        aliases=["old_charge"],
        timeout=60,
        max_attempts=3,
        priority=2,
        cron="0 9 * * *",
        redact=["card"],
    )
    def charge(order: int = 1, card: str | None = None) -> None:
        """Charge a card."""

    async with working(app):
        found = row(connection, "SELECT * FROM pgqueue.tasks")
        assert found["workers"] == 1
    assert found["schema"]["$defs"]["charge"]["properties"]["order"] == {"type": "integer"}
    expected = {
        "name": "charge",
        "queue": "pay",
        "signature": "charge(order: int = 1, card: str | None = None)",
        "doc": "Charge a card.",
        "redact": ["card"],
        "max_attempts": 3,
        "timeout": timedelta(seconds=60),
        "cron": "0 9 * * *",
        "aliases": ["old_charge"],
        "priority": 2,
    }
    assert {name: found[name] for name in expected} == expected


async def test_a_worker_starts_although_nobody_takes_its_declarations(
    app: PgQueue, connection: Connection, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.janitor.DECLARE_AGAIN", 0.1)
    connection.execute("ALTER FUNCTION pgqueue.declare_tasks RENAME TO gone")

    @app.task
    async def t() -> None: ...

    async with working(app) as worker:
        await become(connection, t.enqueue(connection), "succeeded")
        assert any("tasks" in trouble.where for trouble in events.of(Trouble))
        connection.execute("ALTER FUNCTION pgqueue.gone RENAME TO declare_tasks")

        def is_declared() -> bool:
            parts(worker)._janitor.poke()
            return bool(value(connection, "SELECT count(*) FROM pgqueue.tasks"))

        await soon(is_declared)


# The recorder by itself


def outcome_of(number: int) -> type[Outcome]:
    return (Succeeded, Retrying, Dead, Snoozed)[number % 4]


async def test_times_find_their_buckets(dsn: str, connection: Connection) -> None:
    """Also those at a bound, and those that wait to be put into one."""
    own = link.Link(dsn, "recorder", report=lambda *_: None)
    recorder = Recorder(own, "w", emit=lambda event: None)
    times = [0.0, *BOUNDS, *(bound * 1.01 for bound in BOUNDS)] * (CHUNK // 40)
    assert len(times) > CHUNK
    for number, seconds in enumerate(times):
        recorder.count("q", "t", outcome_of(number), seconds, seconds / 2)
    assert await recorder.write()
    assert await recorder.write(), "nothing to do"
    await own.drop()
    found = row(connection, "SELECT * FROM pgqueue.statistic WHERE span = '1 hour'")
    assert found["waits"] == [2 * (CHUNK // 40)] * 24 + [CHUNK // 40]
    assert sum(found["runs"]) == len(times)
    assert found["wait_seconds"] == pytest.approx(sum(times))
    counts = [found[name] for name in ("succeeded", "retried", "dead", "snoozed")]
    assert counts == [sum(number % 4 == kind for number in range(len(times))) for kind in range(4)]


async def test_names_without_end_take_no_memory_without_end(
    dsn: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.recorder.MOST", 10)
    own = link.Link(dsn, "recorder", report=lambda *_: None)
    recorder = Recorder(own, "w", emit=lambda event: None)
    for number in range(50):
        recorder.count(f"q{number}", "t", Succeeded, 0.1, 0.1)
    recorder.count("q3", "t", Succeeded, 0.1, 0.1)
    assert await recorder.write()
    await own.drop()
    assert row(connection, TOTALS, "1 hour")["succeeded"] == 11
