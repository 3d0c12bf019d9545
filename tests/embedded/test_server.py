"""A server starts, answers every driver, restarts, and leaves nothing behind."""

import stat
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import psutil
import psycopg
import psycopg2
import pytest
import sqlalchemy

from pgqueue.embedded import Binaries, EmbeddedServer, EmbeddedServerError
from pgqueue.errors import UsageError
from tests.embedded.conftest import is_gone


def ask(server: EmbeddedServer, query: str, database: str = "postgres") -> object:
    with psycopg.connect(server.dsn(database)) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def test_it_answers_and_says_who_it_is(private: EmbeddedServer) -> None:
    assert str(ask(private, "SHOW server_version")).startswith(str(private.major))
    assert ask(private, "SELECT current_user") == private.user
    assert private.is_running()
    assert private.pid is not None


def test_text_is_utf8_and_its_order_is_everywhere_the_same(private: EmbeddedServer) -> None:
    assert ask(private, "SHOW server_encoding") == "UTF8"
    assert ask(
        private, "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{b,A,a,B}'::text[]) x"
    ) == ("ABab")


def test_a_temporary_server_forgoes_fsync_but_not_synchronous_commit(
    private: EmbeddedServer,
) -> None:
    assert ask(private, "SHOW fsync") == "off"
    assert ask(private, "SHOW full_page_writes") == "off"
    assert ask(private, "SHOW synchronous_commit") == "on"
    assert ask(private, "SHOW max_connections") == "200"


def test_only_its_owner_reaches_files_and_socket(private: EmbeddedServer) -> None:
    assert stat.S_IMODE(Path(private.host).stat().st_mode) == 0o700
    assert stat.S_IMODE((private.data / "pgdata").stat().st_mode) == 0o700
    assert stat.S_IMODE((private.data / "pgqueue.json").stat().st_mode) == 0o600
    assert ask(private, "SHOW listen_addresses") == ""


@pytest.mark.parametrize("name", ["plain", "with space", "ünï/cødé?&", 'quo"te'])
async def test_the_url_of_a_database_fits_every_driver(private: EmbeddedServer, name: str) -> None:
    url = private.create_database(name)
    assert url == private.dsn(name)
    assert ask(private, "SELECT current_database()", name) == name
    connection = psycopg2.connect(url)
    assert connection.info.dbname == name
    connection.close()
    asynchronous = await asyncpg.connect(url)
    assert await asynchronous.fetchval("SELECT current_database()") == name
    await asynchronous.close()
    for driver in ("psycopg", "psycopg2"):
        engine = sqlalchemy.create_engine(url.replace("postgresql:", f"postgresql+{driver}:"))
        with engine.connect() as session:
            assert session.execute(sqlalchemy.text("SELECT current_database()")).scalar() == name
        engine.dispose()


def test_pg_variables_of_the_environment_do_not_lead_astray(
    private: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATABASE": "x"}.items():
        monkeypatch.setenv(name, value)
    assert ask(private, "SELECT 1") == 1
    private.create_database("despite_the_environment")


def test_all_is_gone_afterwards() -> None:
    with EmbeddedServer() as server:
        data, pid = server.data, server.pid
        assert data.is_dir()
    assert not data.exists()
    assert is_gone(pid)
    assert not server.is_running()
    with pytest.raises(EmbeddedServerError, match="call start"):
        server.dsn()


def test_an_exception_ends_it_too() -> None:
    server = EmbeddedServer()
    seen = []

    def fail_inside() -> None:
        with server:
            seen.append(server.data)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert not seen[0].exists()


def test_data_outlives_every_kind_of_restart() -> None:
    ways: dict[str, Callable[[EmbeddedServer], None]] = {
        "fast": lambda server: server.restart(),
        "immediate": lambda server: server.restart("immediate"),
        "stop": lambda server: (server.stop(), server.start())[0],
        "kill": lambda server: (server.kill(), server.start())[0],
    }
    with EmbeddedServer(settings={"fsync": "on"}) as server:
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        for way, restart in ways.items():
            before = server.dsn(), server.pid
            restart(server)
            assert ask(server, "SELECT n FROM kept") == 42, way
            assert server.dsn() == before[0]
            assert server.pid != before[1]
        server.kill()
        assert not server.is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /dev/shm")
def test_a_killed_server_leaves_no_shared_memory() -> None:
    with EmbeddedServer() as server:
        ask(server, "SELECT 1")
        mapped = {Path(part.path) for part in psutil.Process(server.pid).memory_maps()}
        segments = {path for path in mapped if path.is_relative_to("/dev/shm")}
        assert segments
        server.kill()
        assert any(path.exists() for path in segments)
    assert not any(path.exists() for path in segments)


def test_tcp_wants_a_password_that_the_url_has() -> None:
    with EmbeddedServer(tcp=True, settings={"work_mem": "5MB"}) as server:
        assert server.host == "127.0.0.1"
        assert server.password
        assert ask(server, "SHOW work_mem") == "5MB"
        assert ask(server, "SELECT host(inet_server_addr())") == "127.0.0.1"
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(f"host=127.0.0.1 port={server.port} user=postgres passfile=/dev/null")
        before = server.dsn()
        server.restart()
        assert server.dsn() == before
        assert ask(server, "SELECT 1") == 1


def test_other_versions_work_the_same(other_binaries: Binaries) -> None:
    with EmbeddedServer(binaries=other_binaries) as server:
        assert server.major == other_binaries.major
        assert str(ask(server, "SHOW server_version")).startswith(str(other_binaries.major))
        assert ask(server, "SHOW server_encoding") == "UTF8"


def test_a_server_that_does_not_start_shows_its_log() -> None:
    server = EmbeddedServer(settings={"shared_buffers": "lots"})
    with pytest.raises(EmbeddedServerError, match=r"did not start(.|\n)*shared_buffers.*lots"):
        server.start()
    assert not server.is_running()
    with pytest.raises(EmbeddedServerError, match="not running"):
        server.dsn()


def test_a_port_that_is_taken_is_named(private: EmbeddedServer) -> None:
    with EmbeddedServer(tcp=True) as first:
        second = EmbeddedServer(tcp=True, port=first.port)
        with pytest.raises(EmbeddedServerError, match=r"127\.0\.0\.1.*Address already in use"):
            second.start()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: EmbeddedServer(detached=True), "needs data="),
        (lambda: EmbeddedServer(port=5555), "port= is for tcp=True"),
        (lambda: EmbeddedServer(settings={"Port": "1"}), "Port cannot be set here"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    wrong: Callable[[], EmbeddedServer], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        wrong()
