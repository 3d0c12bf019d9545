"""Who holds the bells: kept while little happens, handed on when there is no room, or too much."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.handle import Job
from pgqueue.worker.claimer import Claim, Claimer
from pgqueue.worker.finisher import Finisher
from pgqueue.worker.janitor import Janitor
from pgqueue.worker.listener import Listener
from tests.support.jobs import Connection, value
from tests.support.waiting import heard
from tests.support.working import all_ended, asleep, become, bell_holders, parts, soon, working

NEVER = 60.0
"""Longer than any test lives."""


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener's test of itself wakes sleepers too, which would hide that no bell rang."""
    monkeypatch.setattr("pgqueue.worker.listener.SELF_TEST_EVERY", NEVER)


@pytest.fixture
def ringing(connection: Connection, other: Connection) -> Callable[[], list[str]]:
    """What was rung since the last call: "default" or "soon default"."""
    key = value(connection, "SELECT hashtext('default')::text")
    other.execute("LISTEN pgqueue")

    def ringing() -> list[str]:
        notes = [note.replace(key, "default") for note in heard(other, "pgqueue")]
        return [note for note in notes if not note.startswith("test ")]

    return ringing


@dataclass
class Looks:
    """Who began to claim, in order, and how often janitors ended a look for due jobs."""

    claims: list[Claimer] = field(default_factory=list)
    promotes: int = 0


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """What the workers of the test look for."""
    looks = Looks()
    claim, promote = Claimer.claim, Janitor.promote

    async def counted_claim(claimer: Claimer, *rest: Any) -> list[Claim]:
        looks.claims.append(claimer)
        return await claim(claimer, *rest)

    async def counted_promote(janitor: Janitor) -> Any:
        found = await promote(janitor)
        looks.promotes += 1
        return found

    monkeypatch.setattr(Claimer, "claim", counted_claim)
    monkeypatch.setattr(Janitor, "promote", counted_promote)
    return looks


async def test_the_holder_keeps_the_bell_while_it_runs_one_job_after_the_other(
    app: PgQueue, connection: Connection, ringing: Callable[[], list[str]]
) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    @app.task
    async def t() -> None:
        running.set()
        await go_on.wait()

    async with working(app, poll=NEVER, name="a") as worker:
        await soon(lambda: asleep(worker))
        ringing()
        for _ in range(10):
            running.clear()
            go_on.clear()
            enqueued = t.enqueue(connection)
            assert ringing() == ["default"]
            await running.wait()
            assert bell_holders(connection) == ["pgqueue listener a"]
            go_on.set()
            await become(connection, enqueued, "succeeded")
            assert bell_holders(connection) == ["pgqueue listener a"]
            assert asleep(worker)
        assert ringing() == []


async def test_a_holder_whose_slots_stay_full_hands_the_bell_on(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.feeder.AFTER_HOLDER", 1.0)
    go_on = asyncio.Event()

    @app.task
    async def waits() -> None:
        await go_on.wait()

    @app.task
    async def t() -> None: ...

    async with working(app, poll=NEVER, concurrency=1, name="full") as full:
        await soon(lambda: asleep(full))
        async with working(app, poll=NEVER, concurrency=1, name="heir") as heir:
            await soon(lambda: asleep(heir))
            assert bell_holders(connection) == ["pgqueue listener full"]
            long = waits.enqueue(connection)
            await soon(lambda: bell_holders(connection) == ["pgqueue listener heir"])
            assert not asleep(full)
            for _ in range(3):
                await become(connection, t.enqueue(connection), "succeeded")
            assert long.state(connection) == "running"
            go_on.set()
            await become(connection, long, "succeeded")
            await soon(lambda: asleep(full))
            assert bell_holders(connection) == ["pgqueue listener heir"]


async def test_who_only_shares_the_bell_leaves_lone_jobs_to_its_holder(
    app: PgQueue, connection: Connection, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a lone job costs one claim, and not one for each sleeper."""
    monkeypatch.setattr("pgqueue.worker.feeder.AFTER_HOLDER", NEVER)

    @app.task
    async def t() -> None: ...

    async with working(app, poll=NEVER, name="holder") as holder:
        await soon(lambda: asleep(holder))
        async with working(app, poll=NEVER, name="sharer") as sharer:
            await soon(lambda: asleep(sharer))
            looks.claims.clear()
            for _ in range(10):
                await become(connection, t.enqueue(connection), "succeeded")
            assert {*looks.claims} == {parts(holder)._claimer}


async def test_a_full_worker_alone_lets_nobody_ring_for_it(
    app: PgQueue, connection: Connection, ringing: Callable[[], list[str]]
) -> None:
    go_on = asyncio.Event()

    @app.task
    async def waits() -> None:
        await go_on.wait()

    async with working(app, poll=NEVER, concurrency=1) as worker:
        await soon(lambda: asleep(worker))
        waits.enqueue(connection)
        await soon(lambda: bell_holders(connection) == [])
        ringing()
        for _ in range(20):
            waits.enqueue(connection)
        assert ringing() == []
        go_on.set()
        await all_ended(connection)
        await soon(lambda: asleep(worker))


async def test_rings_that_take_too_much_keep_it_awake(
    app: PgQueue,
    connection: Connection,
    ringing: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a commit takes as long as this, two rings are too many."""
    slow = property(lambda finisher: 1e9, lambda finisher, seconds: None)
    monkeypatch.setattr(Finisher, "quickest", slow, raising=False)
    monkeypatch.setattr("pgqueue.worker.feeder.AWAKE", NEVER)

    @app.task
    async def t() -> None: ...

    async with working(app, poll=NEVER) as worker:
        await soon(lambda: asleep(worker))
        for _ in range(2):
            await become(connection, t.enqueue(connection), "succeeded")
        await soon(lambda: not asleep(worker))
        await soon(lambda: bell_holders(connection) == [])
        ringing()
        for _ in range(10):
            await become(connection, t.enqueue(connection), "succeeded")
        assert ringing() == []
        assert not asleep(worker)


async def test_it_goes_back_to_sleep_after_a_while(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = property(lambda finisher: 1e9, lambda finisher, seconds: None)
    monkeypatch.setattr(Finisher, "quickest", slow, raising=False)
    monkeypatch.setattr("pgqueue.worker.feeder.AWAKE", 0.1)

    @app.task
    async def t() -> None: ...

    async with working(app, poll=NEVER, name="a") as worker:
        for _ in range(5):
            await soon(lambda: asleep(worker))
            assert bell_holders(connection) == ["pgqueue listener a"]
            await become(connection, t.enqueue(connection), "succeeded")


async def test_what_was_committed_just_before_the_bell_was_taken_is_found(
    app: PgQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody slept when it was enqueued, so nobody rang."""
    enqueued: list[Job[None]] = []
    arm = Listener.arm

    @app.task
    async def t() -> None: ...

    async def arm_late(listener: Listener) -> bool:
        if len(enqueued) < 5:
            enqueued.append(t.enqueue(connection))
        return await arm(listener)

    monkeypatch.setattr(Listener, "arm", arm_late)
    async with working(app, poll=NEVER) as worker:
        await soon(lambda: asleep(worker))
        await all_ended(connection, within=10)
        assert enqueued


async def test_nobody_falls_asleep_while_an_enqueuer_has_not_committed(
    app: PgQueue, connection: Connection, connect: Callable[..., Connection], looks: Looks
) -> None:
    @app.task
    async def t() -> None: ...

    own = connect(autocommit=False)
    enqueued = t.enqueue(own)
    async with working(app, poll=NEVER) as worker:
        await soon(lambda: len(looks.claims) > 10)
        assert not asleep(worker)
        own.commit()
        await become(connection, enqueued, "succeeded", within=10)
        await soon(lambda: asleep(worker))


async def test_a_job_for_soon_wakes_the_janitor_and_causes_no_claim(
    app: PgQueue,
    connection: Connection,
    ringing: Callable[[], list[str]],
    looks: Looks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pgqueue.worker.janitor.LONGEST_SLEEP", NEVER)

    @app.task
    async def t() -> None: ...

    async with working(app, poll=NEVER, heartbeat=NEVER, lease=2 * NEVER) as worker:
        await soon(lambda: asleep(worker) and looks.promotes > 0)
        ringing()
        claims, promotes = len(looks.claims), looks.promotes
        for number in range(1, 4):
            t.using(delay=9).enqueue(connection)
            assert ringing() == ["soon default"]
            await soon(lambda n=number: looks.promotes >= promotes + n)
        t.using(delay=3600).enqueue(connection)
        assert ringing() == []
        assert len(looks.claims) == claims
        assert asleep(worker)
        due = t.using(delay=0.1).enqueue(connection)
        await become(connection, due, "succeeded")
        assert ringing() == ["soon default", "default"]
