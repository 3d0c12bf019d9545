"""Probes are answered truly, also while the event loop is blocked and the database is away."""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, UsageError
from pgqueue.embedded import EmbeddedServer
from pgqueue.migrations import upgrade
from pgqueue.worker.health import MOST_REQUESTS, HealthServer
from pgqueue.worker.vitals import Verdict
from tests.support.http import Answer, free_port, get
from tests.support.jobs import Connection, enqueue, state, values
from tests.support.process import worker_processes
from tests.support.waiting import eventually
from tests.support.working import parts, soon, working

APP = "tests.faults.application:app"


async def ask(port: int, path: str) -> Answer:
    return await asyncio.to_thread(get, port, path)


async def test_a_worker_that_works_is_alive_and_ready(app: PgQueue, connection: Connection) -> None:
    port = free_port()
    async with working(app, health_port=port):
        alive, ready = await ask(port, "/livez"), await ask(port, "/readyz")
        assert (alive.status, alive.json["status"]) == (200, "ok")
        assert alive.headers["Content-Type"] == "application/json"
        await soon(lambda: get(port, "/readyz").status == 200)
        ready = await ask(port, "/readyz")
        assert ready.json["reason"] == "it claims jobs"
        assert set(ready.json) == {"status", "reason", "phase", "claim_age", "beat_age", "full"}
        missing = await ask(port, "/jobs")
        assert missing.status == 404
        assert "/livez" in missing.json["error"]
        head = await asyncio.to_thread(get, port, "/livez", method="HEAD")
        assert (head.status, head.body) == (200, "")
        refused = await asyncio.to_thread(get, port, "/livez", method="POST")
        assert (refused.status, refused.json) == (501, {"error": "Not Implemented"})
    with pytest.raises(OSError):
        get(port, "/livez")


async def test_while_it_drains_it_lives_and_is_not_ready(
    app: PgQueue, connection: Connection
) -> None:
    go = threading.Event()

    @app.task
    def waits() -> None:
        assert go.wait(30)

    waits.enqueue(connection)
    port = free_port()
    async with working(app, health_port=port) as worker:
        await soon(lambda: parts(worker).slots.running == 1)
        worker.stop()
        ready = await ask(port, "/readyz")
        assert (ready.status, ready.json["reason"]) == (503, "draining")
        assert (await ask(port, "/livez")).status == 200
        go.set()


async def test_a_worker_whose_slots_are_all_in_use_stays_ready(
    app: PgQueue, connection: Connection
) -> None:
    go = threading.Event()

    @app.task
    def waits() -> None:
        assert go.wait(60)

    waits.enqueue(connection)
    port = free_port()
    settings: dict[str, Any] = {"concurrency": 1, "poll": 0.2, "ready_within": 1.0, "prefetch": 0}
    async with working(app, health_port=port, **settings) as worker:
        await soon(lambda: parts(worker).slots.running == 1)
        await soon(lambda: get(port, "/readyz").json["claim_age"] > 1.0)
        ready = await ask(port, "/readyz")
        assert (ready.status, ready.json["reason"]) == (200, "every slot is in use")
        go.set()


def test_while_a_handler_blocks_the_loop_probes_are_answered(
    dsn: str, connection: Connection, tmp_path: Path
) -> None:
    """The handler sleeps on the loop itself: it claims no more, and says so; its lease is kept."""
    port = free_port()
    settings: dict[str, Any] = {"poll": 0.2, "ready_within": 1.0, "health_port": port}
    with worker_processes("tests.worker.blocking_tasks:app", dsn, tmp_path) as start:
        start(**settings).registered(connection)
        eventually(lambda: get(port, "/readyz").status == 200)
        until = tmp_path / "go"
        id = enqueue(connection, "blocks", args={"until": str(until)})
        eventually(lambda: get(port, "/readyz").status == 503)
        ready, alive = get(port, "/readyz"), get(port, "/livez")
        assert ready.json["reason"].startswith("no claim was answered for ")
        assert (alive.status, alive.json["reason"]) == (200, "working")
        until.touch()
        eventually(lambda: get(port, "/readyz").status == 200)
        eventually(lambda: state(connection, id) == "succeeded")
        assert values(connection, "SELECT job_id FROM pgqueue.failures") == []  # nobody rescued it


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedServer]:
    """A server of our own, which may be hit."""
    with EmbeddedServer() as server:
        upgrade(server.dsn())
        yield server


def test_without_a_database_it_lives_and_is_not_ready(
    embedded: EmbeddedServer, tmp_path: Path
) -> None:
    port = free_port()
    settings: dict[str, Any] = {"poll": 0.2, "ready_within": 1.0, "health_port": port}
    with worker_processes(APP, embedded.dsn(), tmp_path) as start:
        worker: Any = start(**settings)
        eventually(lambda: _status(port, "/readyz") == 200)
        embedded.kill()
        eventually(lambda: get(port, "/readyz").status == 503)
        eventually(lambda: get(port, "/livez").json["beat_age"] > 1.5)  # longer than its lease
        alive = get(port, "/livez")
        assert (alive.status, alive.json["status"]) == (200, "ok")
        assert alive.json["reason"] == "no connection to the database; trying again"
        metrics = get(port, "/metrics").body
        assert "pgqueue_slots" in metrics
        embedded.start()
        eventually(lambda: get(port, "/readyz").status == 200, within=40)
        worker.signal(signal.SIGTERM)
        assert worker.exit_code() == 0


def test_before_there_is_a_database_it_starts_and_is_not_ready(
    embedded: EmbeddedServer, tmp_path: Path
) -> None:
    port = free_port()
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/none"
    with worker_processes(APP, nowhere, tmp_path) as start:
        start(health_port=port)
        eventually(lambda: _status(port, "/livez") == 200)
        ready = get(port, "/readyz")
        assert (ready.status, ready.json["reason"]) == (503, "starting")


def test_a_worker_without_its_lease_is_not_alive(
    dsn: str, connection: Connection, other: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """Somebody holds its row, so that it cannot renew, although the database answers."""
    port = free_port()
    with worker_processes(APP, dsn, tmp_path) as start:
        id = start(health_port=port).registered(connection)
        eventually(lambda: get(port, "/livez").json["reason"] == "working")
        with other.transaction():
            other.execute("SELECT FROM pgqueue.worker WHERE id = %s FOR UPDATE", [id])
            found = eventually(lambda: _told(port, "the lease is lost"))
            assert found.status == 503
        eventually(lambda: get(port, "/livez").status == 200)


async def test_a_port_that_is_taken_is_told_at_once(app: PgQueue) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1 port {port}: .*in use"):
            await app.worker(health_port=port).run()
    with pytest.raises(UsageError, match=r"cannot listen on no\.such\.host\.invalid"):
        await app.worker(health_port=port, health_host="no.such.host.invalid").run()


def test_requests_have_a_bound() -> None:
    """Long and slow ones are dropped; slow ones are at most so many, and then others are heard."""
    well = Verdict(True, "working", {})
    port = free_port()
    with HealthServer("127.0.0.1", port, live=lambda: well, ready=lambda: well, exposition=None):
        with socket.create_connection(("127.0.0.1", port)) as long:
            long.sendall(b"GET /livez HTTP/1.1\r\nX: " + b"x" * 9000)
            assert _rest(long) == b""
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST_REQUESTS)]
        for one in slow:
            one.sendall(b"GET /livez")
        eventually(lambda: threading.active_count() > MOST_REQUESTS)
        with socket.create_connection(("127.0.0.1", port)) as late:
            assert _rest(late) == b""  # turned away at once
        for one in slow:
            assert _rest(one) == b""  # none came to its end in time
            one.close()
        assert eventually(lambda: _status(port, "/livez") == 200)
        assert get(port, "/metrics").status == 501
        assert "pip install 'pgqueue[prometheus]'" in get(port, "/metrics").json["error"]


def test_what_breaks_inside_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def breaks() -> Verdict:
        raise RuntimeError("secret")

    port = free_port()
    with HealthServer("127.0.0.1", port, live=breaks, ready=breaks, exposition=None):
        answer = get(port, "/livez")
        assert answer.status == 500
        assert "secret" not in answer.body
    assert "secret" in caplog.text


def _rest(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""


def _status(port: int, path: str) -> int | None:
    try:
        return get(port, path).status
    except OSError:
        return None


def _told(port: int, reason: str) -> Answer | None:
    answer = get(port, "/livez")
    return answer if answer.json["reason"].startswith(reason) else None
