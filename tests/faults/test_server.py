"""The server restarts, ends sessions, locks tables, refuses writes: workers ride it out."""

import os
import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from pgqueue.embedded import EmbeddedServer
from pgqueue.migrations import upgrade
from tests.faults.conftest import APP
from tests.support.jobs import Connection, enqueue, existing_job, rows, state, value
from tests.support.oracle import assert_exactly_once, create_oracle, effects, starts
from tests.support.process import StartWorker, WorkerProcess, worker_processes
from tests.support.waiting import eventually

LEFT = "SELECT count(*) FROM pgqueue.job"


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedServer]:
    """A server of our own, which may be hit."""
    with EmbeddedServer() as server:
        upgrade(server.dsn())
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            create_oracle(connection)
        yield server


@pytest.fixture
def own(embedded: EmbeddedServer, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers on the server of our own, which is empty at the start."""
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        tables = "pgqueue.job, pgqueue.job_done, pgqueue.job_dead, pgqueue.failure, pgqueue.worker"
        connection.execute(f"TRUNCATE {tables}, oracle.start, oracle.effect".encode())
    with worker_processes(APP, embedded.dsn(), tmp_path) as start:
        yield start


def _fill(connection: Connection, total: int, *, kinds: int = 2) -> None:
    for number in range(total):
        task = ("effect", "effect_in_thread")[number % kinds]
        enqueue(connection, task, args={"seconds": (number % 5) * 0.01}, max_attempts=1000)


def _is_cut_off(worker: WorkerProcess) -> bool:
    return "ConnectionLost" in worker.log


def _succeeded(connection: Connection, id: int) -> bool:
    return state(connection, id) == "succeeded"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["immediate", "kill"])
def test_the_server_restarts(embedded: EmbeddedServer, own: StartWorker, how: str) -> None:
    total = 300
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        _fill(connection, total)
        worker = own(concurrency=6)
        eventually(lambda: value(connection, LEFT) < total * 3 // 4)
    if how == "kill":
        embedded.kill()
        embedded.start()
    else:
        embedded.restart(mode="immediate")
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        assert value(connection, LEFT) > 0, "the restart came too late to show anything"
        eventually(lambda: value(connection, LEFT) == 0, within=40)
        assert_exactly_once(connection, total)
        fresh = enqueue(connection, "plain")
        eventually(lambda: state(connection, fresh) == "succeeded")
        assert worker.process.poll() is None
        worker.signal(signal.SIGTERM)
        assert worker.exit_code() == 0


@pytest.mark.slow
def test_no_database_at_the_start(embedded: EmbeddedServer, own: StartWorker) -> None:
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        id = enqueue(connection, "plain")
    embedded.stop()
    try:
        worker, impatient = own(), own()
        for started in (worker, impatient):
            eventually(partial(_is_cut_off, started))
        impatient.signal(signal.SIGTERM)
        assert impatient.exit_code() == 1, "it never reached the database"
        assert worker.process.poll() is None
    finally:
        embedded.start()
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        eventually(lambda: state(connection, id) == "succeeded")


@pytest.mark.slow
def test_stopped_while_the_database_is_away(embedded: EmbeddedServer, own: StartWorker) -> None:
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        id = enqueue(connection, "effect_in_thread", args={"seconds": 600})
        worker = own(grace=0.0)
        eventually(lambda: starts(connection, id) == 1)
    embedded.stop()
    try:
        eventually(lambda: "ConnectionLost" in worker.log)
        worker.signal(signal.SIGTERM)
        assert worker.exit_code(40) == 0
    finally:
        embedded.start()
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        second = own()
        eventually(lambda: starts(connection, id) == 2, what="the job is rescued")
        second.kill()


@pytest.mark.slow
def test_sessions_are_terminated_again_and_again(
    oracle: Connection, other: Connection, start_worker: StartWorker
) -> None:
    """Sessions of the workers and of the handlers' own transactions."""
    total = 400
    _fill(oracle, total)
    workers = [start_worker(concurrency=6, name=f"w{n}", poll=0.5) for n in range(2)]
    for worker in workers:
        worker.registered(oracle)
    chance = random.Random(1)
    kinds: set[str] = set()
    victims = (
        "SELECT pid, application_name FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name LIKE 'pgqueue%%' ORDER BY pid"
    )
    deadline = time.monotonic() + 60
    while value(oracle, LEFT) > 0 and time.monotonic() < deadline:
        found = rows(other, victims)
        for victim in chance.sample(found, min(2, len(found))):
            kinds.add(" ".join(victim["application_name"].split()[:2]))
            other.execute("SELECT pg_terminate_backend(%s)", [victim["pid"]])
        time.sleep(0.1)
    assert_exactly_once(oracle, total)
    roles = ("claimer", "finisher", "heart", "janitor", "listener", "handler")
    for role in roles:
        for victim in rows(other, victims):
            if victim["application_name"].startswith(f"pgqueue {role}"):
                other.execute("SELECT pg_terminate_backend(%s)", [victim["pid"]])
        fresh = enqueue(oracle, "effect")
        eventually(partial(_succeeded, oracle, fresh))
    assert len(kinds) >= 4, f"only {kinds} were hit"
    for worker in workers:
        assert worker.process.poll() is None, worker.log
        worker.signal(signal.SIGTERM)
        assert worker.exit_code() == 0


@pytest.mark.slow
def test_a_table_locked_for_longer_than_the_lease(
    oracle: Connection, other: Connection, start_worker: StartWorker
) -> None:
    ids = [enqueue(oracle, "effect_in_thread", args={"seconds": 0.5}) for _ in range(8)]
    workers = [start_worker(concurrency=4, name=f"w{n}") for n in range(2)]
    eventually(lambda: starts(oracle) >= 6)
    with other.transaction():
        other.execute("LOCK TABLE pgqueue.job IN ACCESS EXCLUSIVE MODE")
        seen = "SELECT count(*) FROM pgqueue.worker WHERE seen_at + lease_for > clock_timestamp()"
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            assert value(oracle, seen) == 2, "a lease ran out behind the lock"
            time.sleep(0.1)
    eventually(lambda: all(state(oracle, id) == "succeeded" for id in ids))
    assert starts(oracle) == len(ids), "a job was run twice"
    assert_exactly_once(oracle, len(ids))
    for worker in workers:
        worker.signal(signal.SIGTERM)
        assert worker.exit_code() == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["read only", "revoked"])
def test_writes_refused_for_a_while(
    oracle: Connection, server: object, start_worker: StartWorker, dsn: str, how: str
) -> None:
    """What ended meanwhile is written down afterwards, and nothing is blamed on the jobs."""
    database = value(oracle, "SELECT quote_ident(current_database())")
    role = f"pgqueue_test_{os.getpid()}"
    oracle.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        for schema in ("pgqueue", "oracle"):
            for what in ("SCHEMA", "ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA"):
                oracle.execute(f"GRANT ALL ON {what} {schema} TO {role}".encode())
        through = dsn.replace("//postgres", f"//{role}", 1)
        if through == dsn:
            pytest.skip("the server's user is not postgres")
        running = enqueue(oracle, "sleepy", args={"seconds": 1.5, "ending": "return"})
        worker = start_worker(through=through, heartbeat=4.0, lease=20.0)
        eventually(lambda: starts(oracle, running) == 1)
        if how == "revoked":
            oracle.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA pgqueue FROM {role}".encode())
        else:
            oracle.execute(
                f"ALTER DATABASE {database} SET default_transaction_read_only = on".encode()
            )
            oracle.execute("SET default_transaction_read_only = off")
            oracle.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
            )
        waiting = enqueue(oracle, "plain")
        eventually(lambda: "where='finish'" in worker.log, what="the outcome is refused")
        assert state(oracle, waiting) == "queued"
        if how == "revoked":
            oracle.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA pgqueue TO {role}".encode())
        else:
            oracle.execute(
                f"ALTER DATABASE {database} RESET default_transaction_read_only".encode()
            )
        for id in (running, waiting):
            eventually(partial(_succeeded, oracle, id))
        assert existing_job(oracle, running)["attempt"] == 1
        assert rows(oracle, "SELECT * FROM pgqueue.failures") == []
        worker.signal(signal.SIGTERM)
        assert worker.exit_code() == 0
    finally:
        oracle.execute("SET default_transaction_read_only = off")
        oracle.execute(f"DROP OWNED BY {role}".encode())
        oracle.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
        )
        oracle.execute(f"DROP ROLE {role}".encode())
    assert effects(oracle) == 0


@pytest.mark.slow
def test_an_outage_longer_than_the_lease(embedded: EmbeddedServer, own: StartWorker) -> None:
    """Nobody could send heartbeats: that is no reason to take the jobs of all the workers."""
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        workers = [own(name=f"w{n}", concurrency=2) for n in range(2)]
        ids = [enqueue(connection, "effect_in_thread", args={"seconds": 5}) for _ in range(4)]
        eventually(lambda: starts(connection) == len(ids))
    embedded.stop()
    time.sleep(2.0)  # longer than the lease: this is the fault, not a wait for something
    embedded.start()
    with psycopg.connect(embedded.dsn(), autocommit=True) as connection:
        eventually(lambda: all(state(connection, id) == "succeeded" for id in ids))
        assert starts(connection) == len(ids), "a job was run twice"
        assert_exactly_once(connection, len(ids))
        for worker in workers:
            worker.signal(signal.SIGTERM)
            assert worker.exit_code() == 0
