"""`pgqueue health` and the health flags of the worker."""

import signal

import pytest

from tests.support.http import free_port, get
from tests.support.jobs import Connection, register
from tests.support.waiting import eventually

from .conftest import Program
from .test_program import imported_by


def age(connection: Connection, name: str, seconds: float) -> None:
    connection.execute(
        "UPDATE pgqueue.worker SET seen_at = now() - make_interval(secs => %s) WHERE name = %s",
        [seconds, name],
    )


def test_a_heartbeat_is_old_or_not(program: Program, connection: Connection) -> None:
    register(connection, name="web")
    register(connection, name="lost")
    age(connection, "lost", 45)
    assert program("health").out.startswith("ok beat ")
    assert program("health", "--name", "web").code == 0
    old = program("health", "--name", "lost")
    assert (old.code, old.out[:12]) == (3, "lost beat 45")
    assert program("health", "--name", "lost", "--max-beat", "1m").out.startswith("ok beat 45")
    quiet = program("health", "--name", "lost", "--quiet")
    assert (quiet.code, quiet.out) == (3, "")
    told = program("health", "--name", "lost", "--json")
    assert told.code == 3
    assert told.json | {"beat": 0} == {"ok": False, "worker": "lost", "state": "lost", "beat": 0}


def test_nobody_is_not_well(program: Program) -> None:
    ran = program("health")
    assert (ran.code, ran.out) == (3, "")
    assert "there is no worker." in ran.err
    ran = program("health", "--name", "web")
    assert ran.code == 3
    assert 'there is no worker "web".' in ran.err
    assert "pgqueue workers ls" in ran.err


def test_no_database_is_an_error_and_no_answer(elsewhere: Program) -> None:
    port = free_port()
    ran = elsewhere("health", "--dsn", f"postgresql://nobody@127.0.0.1:{port}/none")
    assert (ran.code, ran.out) == (1, "")
    assert "cannot connect" in ran.err


def test_it_imports_little(program: Program, connection: Connection) -> None:
    register(connection)
    imported = imported_by(program, "health")
    assert imported.isdisjoint({"rich", "sqlalchemy", "alembic", "pgqueue.application"})


def test_a_worker_serves_where_it_says(shop: Program, connection: Connection) -> None:
    port = free_port()
    worker = shop.start("worker", "--health-port", str(port), "--name", "w")
    try:
        eventually(lambda: shop("health", "--name", "w").code == 0)
        eventually(lambda: get(port, "/readyz").status == 200)
    finally:
        worker.send_signal(signal.SIGTERM)
        _, told = worker.communicate(timeout=60)
    assert f"health    127.0.0.1:{port}  /livez /readyz /metrics" in told
    assert worker.returncode == 0


def test_each_process_has_a_port_of_its_own(shop: Program, connection: Connection) -> None:
    port = free_port(2)
    worker = shop.start("worker", "--processes", "2", "--health-port", str(port))
    try:
        for each in (port, port + 1):
            eventually(lambda each=each: _ready(each))  # type: ignore[misc]
    finally:
        worker.send_signal(signal.SIGTERM)
        _, told = worker.communicate(timeout=60)
    assert f"health    127.0.0.1:{port} to {port + 1}" in told
    assert worker.returncode == 0


@pytest.mark.parametrize("more", [[], ["--processes", "2"]])
def test_a_port_in_use_ends_it_at_once(
    shop: Program, connection: Connection, more: list[str]
) -> None:
    port = free_port()
    first = shop.start("worker", "--health-port", str(port))
    try:
        eventually(lambda: _ready(port))
        second = shop.alone("worker", "--health-port", str(port), *more)
        assert second.code == 2
        assert f"cannot listen on 127.0.0.1 port {port}" in second.err
        assert "--health-port" in second.err
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)


def test_ports_that_there_are_not(shop: Program) -> None:
    ran = shop.alone("worker", "--health-port", "65535", "--processes", "2", "--dry-run")
    assert ran.code == 2
    assert "the last port is 65535" in ran.err
    assert shop.alone("worker", "--health-port", "0").code == 2


def _ready(port: int) -> bool:
    try:
        return get(port, "/readyz").status == 200
    except OSError:
        return False
