"""Server, schema, rights, poolers and connections that are not as they should be."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from pgqueue.doctor import examine
from pgqueue.doctor.server import judge
from pgqueue.doctor.surroundings import judge as judge_usage
from pgqueue.embedded import EmbeddedServer
from tests.support.bouncer import bouncer, find_bouncer
from tests.support.jobs import Connection

from .conftest import Examine


def test_the_connection_is_measured(look: Examine) -> None:
    (finding,) = look("connection")
    assert finding.status == "ok"
    assert "round trip" in finding.text
    assert "clock" in finding.text


@pytest.mark.parametrize(("by", "word"), [(-90.0, "1m 30s ahead"), (90.0, "1m 30s behind")])
def test_a_clock_that_is_wrong(
    look: Examine, monkeypatch: pytest.MonkeyPatch, by: float, word: str
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + by)
    (finding,) = look("connection")
    assert finding.status == "warning"
    assert word in finding.text
    assert "give or take" in finding.text


@pytest.mark.parametrize(
    ("shown", "major", "standby", "status", "text"),
    [
        ("18.1", 18, False, "ok", "PostgreSQL 18.1, not in recovery."),
        ("13.14", 13, False, "problem", "older than 14"),
        ("17.2", 17, True, "problem", "is a standby"),
        ("19.0", 19, False, "warning", "newer than what this release was tested with (18)"),
    ],
)
def test_servers_are_judged(shown: str, major: int, standby: bool, status: str, text: str) -> None:
    finding = judge(shown, major, standby)
    assert finding.status == status
    assert text in finding.text


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a server may enter which does not run as root."""
    with tempfile.TemporaryDirectory(prefix="pgqueue-doctor-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def test_a_real_standby(folder: Path) -> None:
    data = folder / "data"
    with EmbeddedServer(data) as server, psycopg.connect(server.dsn()) as connection:
        assert examine(connection, ["server"])[0].status == "ok"
    next(data.rglob("PG_VERSION")).with_name("standby.signal").touch()
    with EmbeddedServer(data) as server, psycopg.connect(server.dsn()) as connection:
        (finding,) = examine(connection, ["server"])
        assert finding.status == "problem"
        assert finding.fix == "point the DSN at the primary server"
        (version,) = examine(connection, ["schema"])
        assert "is not installed" in version.text
        assert examine(connection, ["horizon"])[0].status == "ok"


# Schema


def test_a_schema_that_is_missing(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as connection:
        found = examine(connection)
        (schema,) = [one for one in found if one.check == "schema"]
        assert schema.status == "problem"
        assert 'schema "pgqueue" in database' in schema.text
        assert schema.fix == "pgqueue migrate"
        checks = {one.check for one in found}
        assert {"connection", "server", "pooler", "horizon"} <= checks
        assert not checks & {"drift", "workers", "queues"}
        (asked,) = examine(connection, ["drift"])
        assert asked.text.startswith("not looked at: the schema is not the one")


@pytest.mark.parametrize(
    ("version", "fix"),
    [("pgqueue_0000", "pgqueue migrate"), ("pgqueue_9999", "Upgrade pgqueue in this environment.")],
)
def test_a_schema_of_another_version(
    connection: Connection, look: Examine, version: str, fix: str
) -> None:
    connection.execute("UPDATE pgqueue.schema_version SET version_num = %s", [version])
    (finding,) = look("schema")
    assert (finding.status, finding.fix) == ("problem", fix)
    assert "drift" not in {one.check for one in examine(connection)}


def test_a_schema_of_somebody_else(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA pgqueue")
        (finding,) = examine(connection, ["schema"])
        assert "was not made by pgqueue" in finding.text


# Rights


@contextmanager
def role(connection: Connection, connect: Callable[..., Connection]) -> Iterator[Connection]:
    connection.execute("DROP ROLE IF EXISTS pgqueue_doctor_app")
    connection.execute("CREATE ROLE pgqueue_doctor_app")
    theirs = connect()
    try:
        yield theirs
    finally:
        theirs.close()
        connection.execute("DROP OWNED BY pgqueue_doctor_app")
        connection.execute("DROP ROLE pgqueue_doctor_app")


def test_a_role_without_rights(connection: Connection, connect: Callable[..., Connection]) -> None:
    with role(connection, connect) as theirs:
        theirs.execute("SET ROLE pgqueue_doctor_app")
        found = examine(theirs, ["schema", "privileges", "workers"])
        assert {one.status for one in found} == {"warning"}
        assert any("permission denied for schema pgqueue" in one.text for one in found)
        connection.execute("GRANT USAGE ON SCHEMA pgqueue TO pgqueue_doctor_app")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA pgqueue TO pgqueue_doctor_app")
        (finding,) = examine(theirs, ["privileges"])
        assert finding.text == (
            "role pgqueue_doctor_app may look, but may not enqueue and work, "
            "add and drop days of history."
        )
        connection.execute(str(finding.fix_sql).encode())
        (finding,) = examine(theirs, ["privileges"])
        assert finding.status == "ok"
        assert "owns" not in finding.text


# What lies in between


@pytest.mark.skipif(find_bouncer() is None, reason="needs PgBouncer")
def test_a_pooler_in_transaction_mode(dsn: str) -> None:
    with bouncer(dsn) as through, psycopg.connect(through, autocommit=True) as connection:
        connection.prepare_threshold = None
        (finding,) = examine(connection, ["pooler"])
        assert finding.status == "warning"
        assert "transaction mode" in finding.text
        with connection.transaction():
            (inside,) = examine(connection, ["pooler"])
        assert "cannot be told" in inside.text
        statuses = {one.check: one.status for one in examine(connection)}
        assert statuses["schema"] == "ok"


def test_no_pooler(look: Examine) -> None:
    assert look("pooler")[0].text == "no pooler in between."


def test_connections_that_run_out() -> None:
    with EmbeddedServer(settings={"max_connections": "20"}) as server, ExitStack() as stack:

        def connect() -> psycopg.Connection[tuple[object, ...]]:
            return stack.enter_context(psycopg.connect(server.dsn(), autocommit=True))

        first = connect()
        assert examine(first, ["connections"])[0].status == "ok"
        for _ in range(13):
            connect()
        (finding,) = examine(first, ["connections"])
        assert (finding.status, finding.text) == ("warning", "14 of 17 connections in use.")
        for _ in range(3):
            connect()
        assert examine(first, ["connections"])[0].status == "problem"


@pytest.mark.parametrize(("usage", "status"), [(0.0, "ok"), (0.2, "warning"), (0.7, "problem")])
def test_the_queue_of_notifications_is_judged(usage: float, status: str) -> None:
    finding = judge_usage(usage)
    assert finding.status == status
    assert f"{usage:.0%} full" in finding.text


def test_a_queue_of_notifications_that_fills_up() -> None:
    """The smallest queue that PostgreSQL allows, and a listener that never comes to read it."""
    with (
        EmbeddedServer(settings={"max_notify_queue_pages": "64"}) as server,
        psycopg.connect(server.dsn(), autocommit=True) as deaf,
        psycopg.connect(server.dsn(), autocommit=True) as connection,
    ):
        deaf.execute("LISTEN nothing")
        deaf.execute("BEGIN")
        deaf.execute("SELECT 1")
        for _ in range(30):
            connection.execute("SELECT pg_notify('something', repeat('x', 7000))")
        (finding,) = examine(connection, ["notifications"])
        assert finding.status in ("warning", "problem")
        assert "--only horizon" in str(finding.fix)
        deaf.execute("ROLLBACK")
