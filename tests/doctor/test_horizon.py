"""Whoever holds back vacuum is named, with what to do."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pgqueue.doctor import Finding, examine
from pgqueue.embedded import EmbeddedServer
from tests.support.jobs import Connection, value, values
from tests.support.waiting import eventually

from .conftest import Examine


def found(look: Examine, patience: float = 0.001) -> list[Finding]:
    return [one for one in look("horizon", patience=patience) if one.status != "ok"]


def test_nobody_holds_anything(look: Examine) -> None:
    (finding,) = look("horizon")
    assert (finding.status, finding.text) == (
        "ok",
        "no transaction has been open for more than 5m.",
    )


def test_a_session_idle_in_transaction(
    connection: Connection, connect: Callable[..., Connection], look: Examine
) -> None:
    idle = connect(autocommit=False, application_name="pg_dump")
    idle.execute("SELECT count(*) FROM pgqueue.job")
    (finding,) = eventually(lambda: found(look))
    pid = idle.info.backend_pid
    assert f'pid {pid} "pg_dump" (' in finding.text
    assert "idle in a transaction" in finding.text
    assert finding.fix_sql == f"SELECT pg_terminate_backend({pid});"
    assert not finding.safe
    assert look("horizon")[0].status == "ok", "five minutes is not long ago"
    connection.execute(finding.fix_sql.encode())
    eventually(lambda: not found(look))


def test_a_transaction_that_works(
    connection: Connection, connect: Callable[..., Connection], look: Examine
) -> None:
    busy = connect()

    def work() -> None:
        with pytest.raises(psycopg.errors.AdminShutdown):
            busy.execute("SELECT pg_sleep(60)")

    thread = threading.Thread(target=work)
    thread.start()
    (finding,) = eventually(lambda: found(look))
    assert "in one transaction" in finding.text
    connection.execute(str(finding.fix_sql).encode())
    thread.join(20)
    assert not thread.is_alive()


def test_an_hour_is_a_problem(connect: Callable[..., Connection], look: Examine) -> None:
    old = connect(autocommit=False)
    old.execute("SELECT 1")
    eventually(lambda: found(look, 0.001) and found(look, 0.001)[0].status == "problem")


@pytest.fixture(scope="module")
def lab() -> Iterator[psycopg.Connection[Any]]:
    """A server that allows what an ordinary one does not."""
    settings = {"max_prepared_transactions": "2", "wal_level": "replica"}
    with (
        EmbeddedServer(settings=settings) as server,
        psycopg.connect(server.dsn(), autocommit=True) as connection,
    ):
        yield connection


def test_a_prepared_transaction(lab: psycopg.Connection[Any]) -> None:
    lab.execute("BEGIN")
    lab.execute("CREATE TABLE t (id int)")
    lab.execute("PREPARE TRANSACTION 'it''s mine'")
    (finding,) = examine(lab, ["horizon"], patience=0.001)
    assert 'prepared transaction "it\'s mine" (' in finding.text
    assert finding.status == "problem"
    lab.execute(str(finding.fix_sql).encode())
    assert values(lab, "SELECT gid FROM pg_prepared_xacts") == []


def test_a_slot_that_nobody_reads(lab: psycopg.Connection[Any]) -> None:
    lab.execute("SELECT pg_create_physical_replication_slot('gone', true)")
    (finding,) = examine(lab, ["horizon"])
    assert finding.text.startswith("nobody reads from replication slot gone: it holds back ")
    assert finding.text.endswith(" of WAL.")
    lab.execute(str(finding.fix_sql).encode())
    assert value(lab, "SELECT count(*) FROM pg_replication_slots") == 0
    assert examine(lab, ["horizon"])[0].status == "ok"


def test_sessions_that_this_role_may_not_see(
    connection: Connection, connect: Callable[..., Connection]
) -> None:
    connection.execute("DROP ROLE IF EXISTS pgqueue_doctor_blind")
    connection.execute("CREATE ROLE pgqueue_doctor_blind")
    try:
        blind = connect()
        blind.execute("SET ROLE pgqueue_doctor_blind")
        (finding,) = examine(blind, ["horizon"])
        assert finding.status == "warning"
        assert "hidden from this role" in finding.text
    finally:
        blind.execute("RESET ROLE")
        connection.execute("DROP ROLE pgqueue_doctor_blind")
