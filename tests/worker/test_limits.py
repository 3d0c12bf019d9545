"""Limits with real workers, seen from outside: when jobs ran, by the database's clock."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pgqueue import Limit, LimitRule, NewJob, PgQueue
from pgqueue.events import JobStarted, Trouble
from pgqueue.worker import janitor
from tests.support.jobs import Connection, row, rows, value, values
from tests.support.process import StartWorker, worker_processes
from tests.support.working import Events, all_ended, become, soon, working
from tests.worker import limited_tasks

APP = "tests.worker.limited_tasks:app"
AT_ONCE = """
    SELECT bucket, max(together) AS most
    FROM (SELECT bucket, s.begun,
                 (SELECT count(*) FROM spell o
                  WHERE o.begun <= s.begun AND coalesce(o.ended > s.begun, true)
                    AND bucket = ANY (o.buckets)) AS together
          FROM spell s, unnest(s.buckets) AS bucket
          WHERE s.begun > coalesce(%s, s.begun - interval '1 s')) AS starts
    GROUP BY bucket
"""


@pytest.fixture
def spells(dsn: str, connection: Connection) -> Iterator[PgQueue]:
    """The application of limited_tasks on the test's database."""
    connection.execute(limited_tasks.SPELLS)
    limited_tasks.app.configure(dsn=dsn)
    yield limited_tasks.app
    limited_tasks.app.close()


@pytest.fixture
async def own_loop(spells: PgQueue) -> AsyncIterator[PgQueue]:
    """The same, with workers in this process."""
    yield spells
    await spells.close_async()


@pytest.fixture
def start_worker(dsn: str, tmp_path: Path, spells: PgQueue) -> Iterator[StartWorker]:
    with worker_processes(APP, dsn, tmp_path) as start:
        yield start


def at_once(connection: Connection, since: Any = None) -> dict[str, int]:
    """How many ran together at most, by bucket, looked at whenever one began (since then)."""
    return {found["bucket"]: found["most"] for found in rows(connection, AT_ONCE, since)}


def job(
    bucket: str | list[str], *, seconds: float = 0.01, failures: int = 0, **options: Any
) -> NewJob:
    """A job that tells of these buckets; under which limits it is, the options say."""
    buckets = [bucket] if isinstance(bucket, str) else bucket
    return limited_tasks.spell.using(**options).job(buckets, seconds, failures)


# At once


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("queue:default", "queue:default"),
        ("task", "task:spell"),
        ("stripe", "stripe"),
        ("tenant", "tenant:42"),
    ],
)
async def test_never_more_at_once_in_two_processes(
    spells: PgQueue, connection: Connection, start_worker: StartWorker, rule: str, kind: str
) -> None:
    spells.limit(rule).set(LimitRule(concurrency=3))
    options: dict[str, Any] = {}
    if kind in ("stripe", "tenant:42"):
        name, _, key = kind.partition(":")
        options["limits"] = Limit(name, key=key or None)
    jobs = [job(kind, failures=int(number % 5 == 0), **options) for number in range(60)]
    with connection.transaction():
        spells.enqueue_many(connection, jobs)
    workers = [start_worker(concurrency=10) for _ in range(2)]
    await all_ended(connection, within=60)
    assert at_once(connection) == {kind: 3}
    assert value(connection, "SELECT count(*) FROM spell") == 72
    assert (
        value(
            connection,
            "SELECT count(*) FROM spell WHERE pid <> ALL (%s)",
            [worker.pid for worker in workers],
        )
        == 0
    )
    states = rows(connection, "SELECT DISTINCT state FROM pgqueue.jobs")
    assert states == [{"state": "succeeded"}]


async def test_keys_and_plain_jobs_do_not_wait_for_each_other(
    own_loop: PgQueue, connection: Connection
) -> None:
    own_loop.limit("tenant").set(LimitRule(concurrency=1))
    jobs = [job(f"tenant:{key}", seconds=600, limits=Limit("tenant", key=key)) for key in (1, 2, 1)]
    with connection.transaction():
        own_loop.enqueue_many(connection, [*jobs, job("plain", seconds=600)])
    async with working(own_loop, grace=0):
        await soon(lambda: value(connection, "SELECT count(*) FROM spell") == 3)
        assert at_once(connection) == {"tenant:1": 1, "tenant:2": 1, "plain": 1}


async def test_a_limit_is_changed_while_jobs_run(own_loop: PgQueue, connection: Connection) -> None:
    limit = own_loop.limit("stripe")
    limit.set(LimitRule(concurrency=1))
    with connection.transaction():
        own_loop.enqueue_many(connection, [job("stripe", limits="stripe") for _ in range(120)])
    async with working(own_loop, concurrency=10):
        await soon(lambda: value(connection, "SELECT count(*) > 5 FROM spell"))
        assert at_once(connection) == {"stripe": 1}
        limit.set(LimitRule(concurrency=4))
        await soon(lambda: at_once(connection) == {"stripe": 4})
        limit.set(LimitRule(concurrency=2))
        changed = value(connection, "SELECT clock_timestamp()")
        await all_ended(connection)
    # Who was claimed before the change may have begun after it.
    after = values(connection, "SELECT id FROM pgqueue.jobs WHERE started_at > %s", changed)
    assert len(after) > 10
    first = value(connection, "SELECT min(begun) FROM spell WHERE job_id = ANY (%s)", after)
    assert at_once(connection, first) == {"stripe": 2}


async def test_a_limit_that_is_removed_lets_all_run(
    own_loop: PgQueue, connection: Connection
) -> None:
    limit = own_loop.limit("queue:default")
    limit.set(LimitRule(concurrency=1))
    with connection.transaction():
        own_loop.enqueue_many(connection, [job("all", seconds=600) for _ in range(5)])
    async with working(own_loop, grace=0):
        await soon(lambda: value(connection, "SELECT count(*) FROM spell") == 1)
        assert limit.remove()
        await soon(lambda: value(connection, "SELECT count(*) FROM spell") == 5)


async def test_a_place_outside_of_jobs_counts_with_them(
    own_loop: PgQueue, connection: Connection
) -> None:
    limit = own_loop.limit("stripe")
    limit.set(LimitRule(concurrency=1))
    async with working(own_loop):
        async with limit:
            handle = limited_tasks.spell.using(limits="stripe").enqueue_now(["stripe"])
            waiting = "SELECT waiting FROM pgqueue.limits"
            await soon(lambda: value(connection, waiting) == 1)
            assert handle.state() == "blocked"
        await become(connection, handle, "succeeded")


async def test_jobs_under_many_limits_neither_deadlock_nor_starve(
    spells: PgQueue, connection: Connection, start_worker: StartWorker
) -> None:
    for name in "abc":
        spells.limit(name).set(LimitRule(concurrency=1))
    pairs = [["a", "b"], ["b", "c"], ["c", "a"], ["a", "b", "c"], ["b"]]
    jobs = [job(pairs[number % 5], limits=pairs[number % 5]) for number in range(50)]
    with connection.transaction():
        spells.enqueue_many(connection, jobs)
    for _ in range(2):
        start_worker(concurrency=10)
    await all_ended(connection, within=60)
    assert at_once(connection) == {"a": 1, "b": 1, "c": 1}


# Rates


async def test_no_more_than_the_rate_and_the_burst_start(
    own_loop: PgQueue, connection: Connection
) -> None:
    own_loop.limit("api").set(LimitRule(rate=20, per=1, burst=5))
    with connection.transaction():
        own_loop.enqueue_many(connection, [job("api", limits="api") for _ in range(30)])
    async with working(own_loop):
        await all_ended(connection)
    at = values(connection, "SELECT started_at FROM pgqueue.jobs ORDER BY started_at")
    # A start is written down up to some moments after its token was taken.
    for first, begun in enumerate(at):
        for last in range(first, len(at)):
            window = (at[last] - begun).total_seconds() + 0.5
            assert last - first + 1 <= 5 + 20 * window
    assert (at[-1] - at[0]).total_seconds() > 25 / 20 - 0.5


async def test_no_window_has_more_than_a_sliding_rate(
    own_loop: PgQueue, connection: Connection
) -> None:
    own_loop.limit("api").set(LimitRule(rate=10, per=2, sliding=True))
    with connection.transaction():
        own_loop.enqueue_many(connection, [job("api", limits="api") for _ in range(25)])
    async with working(own_loop):
        await all_ended(connection)
    at = values(connection, "SELECT started_at FROM pgqueue.jobs ORDER BY started_at")
    for first in range(len(at) - 10):
        assert (at[first + 10] - at[first]).total_seconds() > 2 - 0.5


async def test_a_heavy_job_is_not_overtaken_for_ever(
    own_loop: PgQueue, connection: Connection
) -> None:
    own_loop.limit("api").set(LimitRule(rate=20, per=1, burst=10))
    light = [job("light", limits="api") for _ in range(15)]
    heavy = job("heavy", limits={"api": 10})
    with connection.transaction():
        own_loop.enqueue_many(connection, [*light, heavy, *light, *light])
    async with working(own_loop):
        await all_ended(connection)
    order = values(connection, "SELECT buckets[1] FROM spell ORDER BY begun")
    assert order.index("heavy") < 25


# When full


async def test_newcomers_are_cancelled(own_loop: PgQueue, connection: Connection) -> None:
    own_loop.limit("import").set(LimitRule(concurrency=1, when_full="cancel_newest"))
    task = limited_tasks.spell.using(limits="import")
    async with working(own_loop, grace=0):
        first = task.enqueue_now(["import"], 600)
        await become(connection, first, "running")
        second = task.enqueue_now(["import"], 600)
        await become(connection, second, "cancelled")
        assert second.get().reason == "the limit import was full"
        assert first.state() == "running"


async def test_the_running_one_is_cancelled(own_loop: PgQueue, connection: Connection) -> None:
    own_loop.limit("import").set(LimitRule(concurrency=1, when_full="cancel_running"))
    task = limited_tasks.spell.using(limits="import")
    async with working(own_loop, grace=0):
        first = task.enqueue_now(["import"], 600)
        await become(connection, first, "running")
        second = task.enqueue_now(["import"])
        await become(connection, first, "cancelled")
        reason = f"job {second.id} needed its place under the limit import"
        assert first.get().reason == reason
        await become(connection, second, "succeeded")
    assert at_once(connection) == {"import": 1}


# Declared


@asynccontextmanager
async def declaring(dsn: str, **limits: LimitRule) -> AsyncIterator[tuple[PgQueue, Events]]:
    """An application that declares limits, and what happens in its workers."""
    app = PgQueue(dsn, limits=limits)
    events = Events()
    app.observer(events)

    @app.task
    async def send() -> None: ...

    try:
        yield app, events
    finally:
        await app.close_async()
        app.close()


async def test_a_worker_declares_limits_before_its_first_job(
    dsn: str, connection: Connection
) -> None:
    async with (
        declaring(dsn, stripe=LimitRule(concurrency=5, rate=9, per=60)) as (app, _),
        working(app),
    ):
        found = row(connection, "SELECT * FROM pgqueue.limits")
        assert (found["name"], found["declared"]) == ("stripe", True)
        assert (found["concurrency"], found["rate"]) == (5, 9)
    before = found["changed_at"]
    async with (
        declaring(dsn, stripe=LimitRule(concurrency=5, rate=9, per=60)) as (app, _),
        working(app),
    ):
        assert value(connection, "SELECT changed_at FROM pgqueue.limits") == before
    async with declaring(dsn, stripe=LimitRule(concurrency=6)) as (app, _), working(app):
        assert value(connection, "SELECT concurrency FROM pgqueue.limits") == 6
        assert value(connection, "SELECT rate FROM pgqueue.limits") is None


async def test_an_operator_has_the_last_word(dsn: str, connection: Connection) -> None:
    async with declaring(dsn, stripe=LimitRule(concurrency=5)) as (app, _):
        app.limit("stripe").set(LimitRule(concurrency=2))
        async with working(app):
            found = row(connection, "SELECT * FROM pgqueue.limits")
            assert (found["concurrency"], found["declared"]) == (2, False)
        assert app.limit("stripe").remove()
        async with working(app):
            assert value(connection, "SELECT concurrency FROM pgqueue.limits") == 5


async def test_an_operator_who_hesitates_keeps_no_worker_from_starting(
    dsn: str, connection: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor, "DECLARE_DEADLINE", 0.2)
    monkeypatch.setattr(janitor, "DECLARE_AGAIN", 0.1)
    async with declaring(dsn, stripe=LimitRule(concurrency=5)) as (app, events):
        other.execute("BEGIN")
        other.execute("SELECT pgqueue.set_limit('stripe', 2)")
        async with working(app):
            app.tasks["send"].enqueue_now()
            await soon(lambda: events.of(JobStarted))
            (trouble, *_) = events.of(Trouble)
            assert trouble.where == "janitor (limits)"
            other.execute("ROLLBACK")
            await soon(lambda: values(connection, "SELECT concurrency FROM pgqueue.limits") == [5])
