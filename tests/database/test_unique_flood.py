"""Many enqueuers of one key at once, at every isolation level, while workers go about."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.errors import SerializationFailure

from tests.support import claim, complete, register, row, value, values
from tests.support.unique import live, put

Connection = psycopg.Connection[Any]
Put = tuple[int, bool]
LEVELS = [
    IsolationLevel.READ_COMMITTED,
    IsolationLevel.REPEATABLE_READ,
    IsolationLevel.SERIALIZABLE,
]
ENQUEUERS = 100
OTHERS = 45
"""Connections that a small server has to have left for the tests beside these."""
LIVE = "SELECT count(*) FROM pgqueue.job"
QUEUED = f"{LIVE} WHERE started_at IS NULL"


@pytest.fixture(params=LEVELS, ids=lambda level: level.name.lower())
def level(request: pytest.FixtureRequest) -> IsolationLevel:
    """The isolation level of the enqueuers."""
    found: IsolationLevel = request.param
    return found


def together(
    dsn: str,
    level: IsolationLevel,
    act: Callable[[Connection, int], Put],
    *,
    number: int = ENQUEUERS,
    enough: Callable[[], bool] = lambda: True,
) -> tuple[list[Put], Counter[str]]:
    """So many threads act at once until it is enough, in a transaction each time, and again when
    that is aborted; what they got at last, and how often they were aborted, by SQLSTATE.
    """
    with psycopg.connect(dsn) as own:
        ((most,),) = own.execute("SELECT current_setting('max_connections')::int").fetchall()
    number = min(number, most - OTHERS)
    aborted: Counter[str] = Counter()
    barrier = threading.Barrier(number)

    def enqueuer(me: int) -> Put:
        with psycopg.connect(dsn) as own:
            own.isolation_level = level
            own.execute("SELECT count(*) FROM pgqueue.queue")  # its snapshot is from before
            barrier.wait(60)
            done: list[Put] = []
            while not done or not enough():
                try:
                    found = act(own, me)
                    own.commit()
                    done.append(found)
                except SerializationFailure as error:
                    own.rollback()
                    aborted[str(error.sqlstate)] += 1
            return done[-1]

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(enqueuer, range(number))), aborted


@pytest.mark.parametrize("before", ["no key", "a stale key"])
@pytest.mark.parametrize("hold", [{"while_": "queued"}, {"for_": "1 hour"}])
def test_one_of_a_hundred_creates(
    connection: Connection, dsn: str, level: IsolationLevel, before: str, hold: dict[str, str]
) -> None:
    if before == "a stale key":
        put(connection, **hold)
        connection.execute("UPDATE pgqueue.unique_key SET until = now() WHERE until IS NOT NULL")
        connection.execute("DELETE FROM pgqueue.job")
    found, aborted = together(dsn, level, lambda own, _: put(own, **hold))
    (id,) = live(connection)
    assert {job for job, _ in found} == {id}
    assert sum(created for _, created in found) == 1
    assert bool(aborted) is (level != IsolationLevel.READ_COMMITTED)


def test_the_last_one_to_commit_wins(
    connection: Connection, dsn: str, level: IsolationLevel
) -> None:
    connection.execute("CREATE TABLE log (turn serial, me integer)")

    def act(own: Connection, me: int) -> Put:
        options = {"args": {"me": me}}
        found = put(own, while_="queued", on_conflict="replace", delay="1 hour", options=options)
        own.execute("INSERT INTO log (me) VALUES (%s)", [me])  # in turn: the job's row is locked
        return found

    found, aborted = together(dsn, level, act)
    (id,) = live(connection)
    assert sum(created for _, created in found) == 1
    last = value(connection, "SELECT me FROM log ORDER BY turn DESC LIMIT 1")
    job = row(connection, "SELECT id, args, run_at > now() AS later FROM pgqueue.job")
    assert job == {"id": id, "args": {"me": last}, "later": True}
    assert bool(aborted) is (level != IsolationLevel.READ_COMMITTED)


@pytest.mark.parametrize(("while_", "query"), [("unfinished", LIVE), ("queued", QUEUED)])
@pytest.mark.parametrize("on_conflict", ["skip", "replace"])
def test_never_two_while_workers_end_jobs_and_others_retry_and_prune(
    connection: Connection,
    dsn: str,
    level: IsolationLevel,
    while_: str,
    query: str,
    on_conflict: str,
) -> None:
    over, enough = threading.Event(), threading.Event()
    most: list[int] = []

    def enqueuer(own: Connection, _: int) -> Put:
        found = put(own, while_=while_, on_conflict=on_conflict)
        own.commit()
        most.append(value(own, query))
        return found

    with ThreadPoolExecutor(3) as others:
        busy = [others.submit(work, dsn, over, enough)]
        busy += [others.submit(each, dsn, over) for each in (bring_back, tidy)]
        try:
            _, aborted = together(dsn, level, enqueuer, number=12, enough=enough.is_set)
        finally:
            over.set()
        for each in busy:
            each.result(timeout=60)
    assert max(most) == 1
    assert set(aborted) <= (set() if level == IsolationLevel.READ_COMMITTED else {"40001"})
    assert value(connection, "SELECT count(*) FROM pgqueue.job_done") >= 5


def work(dsn: str, over: threading.Event, enough: threading.Event) -> None:
    """Claim, and let jobs end in every way that there is. Twenty of them are enough."""
    with psycopg.connect(dsn, autocommit=True) as own:
        worker, turn = register(own), 0
        while not over.is_set():
            for claimed in claim(own, worker):
                turn += 1
                given = [claimed["id"], claimed["lease"]]
                if turn % 4 == 1:
                    own.execute("SELECT pgqueue.fail(%s, %s, '0 s', 'E', 'm')", given)
                elif turn % 4 == 2:
                    own.execute("SELECT pgqueue.fail(%s, %s, NULL, 'E', 'm')", given)
                elif turn % 4 == 3:
                    own.execute(
                        "SELECT pgqueue.release(ARRAY[%s::bigint], ARRAY[%s::bigint])", given
                    )
                else:
                    complete(own, claimed)
                if turn == 20:
                    enough.set()
            own.execute("SELECT pgqueue.promote()")


def bring_back(dsn: str, over: threading.Event) -> None:
    """Retry dead jobs, the newest first; cancel one now and then."""
    with psycopg.connect(dsn, autocommit=True) as own:
        while not over.is_set():
            for id in values(own, "SELECT id FROM pgqueue.job_dead ORDER BY id DESC LIMIT 3"):
                own.execute("SELECT pgqueue.retry(%s)", [id])
            own.execute("SELECT pgqueue.cancel(max(id)) FROM pgqueue.job")


def tidy(dsn: str, over: threading.Event) -> None:
    """Prune all the time."""
    with psycopg.connect(dsn, autocommit=True) as own:
        while not over.is_set():
            own.execute("SELECT pgqueue.prune()")
