"""A worker says what it is doing when somebody asks, whatever it is doing."""

import asyncio
import threading
import time

from pgqueue import PgQueue
from pgqueue.worker.stacks import CUT, MOST_BYTES, _cut
from tests.support.jobs import Connection, register, row, rows, value
from tests.support.working import all_ended, soon, working

ASK = "SELECT pgqueue.ask_dump(id) FROM pgqueue.worker"


async def dumped(connection: Connection) -> str:
    """Ask, and wait for the answer."""
    assert value(connection, ASK) is True
    await soon(lambda: value(connection, "SELECT written_at FROM pgqueue.dump") is not None)
    return str(value(connection, "SELECT stacks FROM pgqueue.dump"))


async def test_jobs_on_the_loop_and_in_threads(app: PgQueue, connection: Connection) -> None:
    go, release = asyncio.Event(), threading.Event()

    async def wait_for_the_bank() -> None:
        await go.wait()

    @app.task
    async def charge(card: str) -> None:
        await wait_for_the_bank()

    @app.task
    def resize() -> None:
        release.wait(60)

    charge.enqueue(connection, "4111-secret")
    resize.enqueue(connection)
    async with working(app, name="w1"):
        running = "SELECT count(*) FROM pgqueue.job WHERE lease IS NOT NULL"
        await soon(lambda: value(connection, running) == 2)
        await asyncio.sleep(0)
        text = await dumped(connection)
        go.set()
        release.set()
        await all_ended(connection)
    charging, resizing = (text.index(f"job {id} ") for id in (1, 2))
    of_charge = text[charging : text.index("\njob", charging) if charging < resizing else None]
    assert f"job 1 {charge.name}, attempt 1/20" in of_charge
    assert "on the event loop" in of_charge
    assert of_charge.index("in charge") < of_charge.index("in wait_for_the_bank")
    assert "await go.wait()" in of_charge
    assert "in a thread" in text[resizing:]
    assert "release.wait(60)" in text[resizing:]
    assert "4111-secret" not in text
    assert "thread pgqueue-heart" not in text, "who asks need not see who writes"
    assert "thread MainThread" in text


async def test_a_job_that_blocks_the_loop(app: PgQueue, connection: Connection) -> None:
    answer: list[str] = []

    @app.task
    async def block() -> None:
        assert value(connection, ASK) is True
        deadline = time.monotonic() + 20
        while not answer and time.monotonic() < deadline:
            time.sleep(0.05)
            found = rows(connection, "SELECT stacks FROM pgqueue.dump WHERE written_at IS NOT NULL")
            answer.extend(one["stacks"] for one in found)

    block.enqueue(connection)
    async with working(app):
        await all_ended(connection)
    (text,) = answer
    assert "on the event loop, which it blocks now" in text
    assert "time.sleep(0.05)" in text or "in rows" in text or "in block" in text


async def test_nothing_runs(app: PgQueue, connection: Connection) -> None:
    async with working(app):
        assert not (await dumped(connection)).startswith("job ")
        assert value(connection, ASK) is True
        asked = row(connection, "SELECT asked_by, stacks FROM pgqueue.dump")
        assert asked["asked_by"] == connection.info.user


def test_only_a_live_worker_is_asked(connection: Connection) -> None:
    assert value(connection, "SELECT pgqueue.ask_dump(7)") is False
    worker = register(connection)
    assert value(connection, "SELECT pgqueue.ask_dump(%s, 'ada')", worker) is True
    assert value(connection, "SELECT pgqueue.write_dump(%s, 'x')", worker) is True
    assert value(connection, "SELECT pgqueue.write_dump(%s, 'y')", worker) is False
    assert value(connection, "SELECT stacks FROM pgqueue.dump") == "x"
    connection.execute("UPDATE pgqueue.dump SET asked_at = now() - interval '2 hours'")
    assert value(connection, "SELECT pgqueue.ask_dump(7)") is False
    assert value(connection, "SELECT count(*) FROM pgqueue.dump") == 0
    connection.execute("UPDATE pgqueue.worker SET seen_at = now() - interval '1 hour'")
    assert value(connection, "SELECT pgqueue.ask_dump(%s)", worker) is False


def test_stacks_are_bounded() -> None:
    cut = _cut("ä" * MOST_BYTES)
    assert len(cut.encode()) <= MOST_BYTES
    assert cut.endswith(CUT)
    assert _cut("a\0b") == "ab"
