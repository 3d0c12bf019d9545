"""Lasting data: found again, never shared, never half made, never of another version."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgqueue.embedded import Binaries, EmbeddedServer, EmbeddedServerError
from tests.embedded.conftest import is_gone
from tests.support.waiting import eventually

Make = Callable[..., EmbeddedServer]
Start = Callable[..., "subprocess.Popen[str]"]

STARTER = """
import sys
from pgqueue.embedded import EmbeddedServer, EmbeddedServerError
server = EmbeddedServer(sys.argv[1], durable=False, detached=sys.argv[2] == "detached")
sys.stdin.readline()
try:
    server.start()
    print("running", server.pid, flush=True)
    sys.stdin.read()
except EmbeddedServerError as error:
    print("refused", str(error).splitlines()[0], flush=True)
"""


def test_data_is_found_again(lasting: Make) -> None:
    with lasting() as server, psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        before = server.dsn()
    assert not server.is_running()
    with lasting() as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)
        assert server.dsn() == before


def test_lasting_data_is_durable_unless_said_otherwise(lasting: Make) -> None:
    with lasting(durable=None) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_a_detached_server_is_found_used_and_stopped_by_others(lasting: Make) -> None:
    first, second, third = (lasting(detached=True) for _ in range(3))
    with first:
        pass
    assert first.is_running()
    second.start()
    assert second.pid == first.pid
    assert second.dsn() == first.dsn()
    psycopg.connect(second.dsn()).close()
    second.restart()
    assert second.is_running()
    third.stop()
    assert not first.is_running()
    third.stop()
    third.start()
    third.kill()
    assert not first.is_running()
    first.start()
    psycopg.connect(first.dsn()).close()


def test_a_detached_server_is_not_taken_by_an_owner(lasting: Make) -> None:
    lasting(detached=True).start()
    with pytest.raises(EmbeddedServerError, match="running already"):
        lasting().start()
    with pytest.raises(EmbeddedServerError, match="without TCP"):
        lasting(detached=True, tcp=True).start()
    assert lasting(detached=True).is_running()


def test_an_owned_server_is_not_shared(lasting: Make) -> None:
    with lasting() as server:
        for other in (lasting(), lasting(detached=True)):
            with pytest.raises(EmbeddedServerError, match=f"in use by process {os.getpid()}"):
                other.start()
        with pytest.raises(EmbeddedServerError, match="in use"):
            lasting(detached=True).stop()
        psycopg.connect(server.dsn()).close()


@pytest.mark.parametrize(("kind", "expected"), [("detached", 3), ("owned", 1)])
def test_starters_at_the_same_moment_get_one_server(
    kind: str, expected: int, place: Path, python: Start, lasting: Make
) -> None:
    starters = [python(STARTER, place / "data", kind) for _ in range(3)]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("now\n")
        starter.stdin.flush()
    answers = [
        starter.stdout.readline().split(maxsplit=1) for starter in starters if starter.stdout
    ]
    running = [rest for word, rest in answers if word == "running"]
    assert len(running) == expected, answers
    assert len(set(running)) == 1
    assert all("in use by" in rest for word, rest in answers if word == "refused")
    if kind == "detached":
        lasting(detached=True)


def test_a_tcp_server_keeps_port_and_password(lasting: Make) -> None:
    server = lasting(detached=True, tcp=True)
    server.start()
    before = server.dsn()
    assert before == lasting(detached=True).dsn()
    server.stop()
    server.start()
    assert server.dsn() == before
    psycopg.connect(server.dsn()).close()


def test_a_port_taken_meanwhile_gives_way_to_a_free_one(lasting: Make) -> None:
    with lasting(tcp=True) as server:
        port = server.port
    with EmbeddedServer(tcp=True, port=port), lasting(tcp=True) as server:
        assert server.port != port
        psycopg.connect(server.dsn()).close()


def test_what_a_crash_left_is_cleared(lasting: Make) -> None:
    with lasting() as server:
        data = server.data
    stale = data / "pgdata" / "postmaster.pid"
    # The number of a process that lives but is no server: what remains after a container's restart.
    stale.write_text(f"{os.getppid()}\n{data / 'pgdata'}\n1\n5432\n\n\n")
    (data / "run" / ".s.PGSQL.5432").touch()
    (data / "run" / ".s.PGSQL.5432.lock").write_text(f"{os.getppid()}\n")
    assert not server.is_running()
    with lasting() as server:
        psycopg.connect(server.dsn()).close()


def test_an_interrupted_initdb_is_begun_again(place: Path, python: Start, lasting: Make) -> None:
    starter = python(STARTER, place / "data", "owned")
    assert starter.stdin is not None
    starter.stdin.write("now\n")
    starter.stdin.flush()
    half = place / "data" / "pgdata.tmp"
    eventually(lambda: half.exists() and any(half.iterdir()), what="initdb begins")
    starter.kill()
    starter.wait()
    assert not (place / "data" / "pgdata").exists()
    with lasting() as server:
        psycopg.connect(server.dsn()).close()
    assert not half.exists()


def test_half_a_cluster_of_a_power_failure_is_thrown_away(place: Path, lasting: Make) -> None:
    half = place / "data" / "pgdata.tmp"
    half.mkdir(parents=True)
    place.joinpath("data").chmod(0o711)
    (half / "PG_VERSION").write_text("18\n")
    (place / "data" / "pgqueue.lock").touch()
    with lasting() as server:
        psycopg.connect(server.dsn()).close()


def test_data_of_another_major_version_is_refused(lasting: Make, other_binaries: Binaries) -> None:
    with lasting(binaries=other_binaries):
        pass
    with pytest.raises(EmbeddedServerError) as refusal:
        lasting().start()
    message = str(refusal.value)
    assert f"made by PostgreSQL {other_binaries.major}" in message
    assert f"PGQUEUE_PG_BIN={other_binaries.directory}" in message


def test_data_of_an_unknown_major_version_is_refused(lasting: Make) -> None:
    with lasting() as server:
        pass
    (server.data / "pgdata" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 12(.|\n)*Hint: set PGQUEUE"):
        lasting().start()


@pytest.mark.parametrize(("name", "why"), [("PG_VERSION", "did not make"), ("x", "not empty")])
def test_directories_of_others_are_left_alone(
    name: str, why: str, place: Path, lasting: Make
) -> None:
    (place / "data").mkdir()
    (place / "data" / name).write_text("precious")
    with pytest.raises(EmbeddedServerError, match=why):
        lasting().start()
    lasting().delete()
    assert (place / "data" / name).read_text() == "precious"


def test_a_path_too_long_for_a_socket_is_no_obstacle(lasting: Make) -> None:
    server = lasting("deep/" + "x" * 100, fresh=True, detached=True)
    server.start()
    aside = Path(server.host).parent
    assert len(server.host) < 90
    psycopg.connect(server.dsn()).close()
    server.delete()
    assert not server.data.exists()
    assert not aside.exists()


def test_delete_leaves_nothing(lasting: Make) -> None:
    server = lasting(detached=True)
    server.start()
    pid = server.pid
    server.delete()
    assert not server.data.exists()
    assert is_gone(pid)
    server.start()
    assert server.is_running()


def test_a_long_log_is_turned_over(lasting: Make) -> None:
    with lasting() as server:
        pass
    with server.log.open("ab") as log:
        log.truncate(11_000_000)
    with lasting() as server:
        assert server.log.stat().st_size < 1_000_000
        assert server.log.with_suffix(".log.1").exists()
