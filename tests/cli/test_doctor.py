"""`pgqueue doctor`: what it prints, what it mends, and its exit code."""

import re
from typing import Any

import pytest

from tests.support.doctoring import OF_THE_SERVER
from tests.support.guards import definition_of
from tests.support.jobs import Connection, claim, enqueue, expire, register, state, value
from tests.support.waiting import eventually

from .conftest import Program


def lost(connection: Connection) -> int:
    """A job whose worker is lost; its id."""
    id = enqueue(connection)
    worker = register(connection, name="old-9")
    claim(connection, worker)
    expire(connection, worker)
    return id


def test_all_is_well(program: Program, connection: Connection) -> None:
    register(connection)
    if value(connection, "SHOW autovacuum") == "off":
        pytest.skip("this server has a fault of its own, and the doctor finds it")
    ran = program("doctor")
    assert ran.code == 0
    assert re.search(r"^ ✔ schema        the schema is at version 1", ran.out, re.MULTILINE)
    assert ran.out.endswith(" All is well.\n")
    assert "✘" not in ran.out
    assert program("doctor", "--quiet").out == ""


def test_a_problem_has_a_fix_and_a_code(program: Program, connection: Connection) -> None:
    lost(connection)
    ran = program("doctor", "--only", "workers")
    assert ran.code == 3
    assert ran.out == (
        " ✘ workers       worker old-9 is lost, and its jobs are not rescued yet.\n"
        "                 fix: start a worker, which rescues them, or rescue them yourself\n"
        "                   SELECT * FROM pgqueue.rescue(true);\n"
        " 1 problem\n"
    )


def test_warnings_alone_leave_the_code(program: Program, connection: Connection) -> None:
    connection.execute("CREATE TABLE pgqueue.mine (id int)")
    ran = program("doctor", "--only", "drift")
    assert ran.code == 0
    assert ran.out.endswith(" 1 warning\n")


def test_an_unknown_check(program: Program) -> None:
    ran = program("doctor", "--only", "worker")
    assert ran.code == 2
    assert 'there is no check "worker"' in ran.err
    assert "Checks are: connection, server" in ran.err


def test_without_a_schema(elsewhere: Program, empty_dsn: str) -> None:
    ran = elsewhere("doctor", "--dsn", empty_dsn)
    assert ran.code == 3
    assert "✘ schema" in ran.out
    assert "fix: pgqueue migrate" in ran.out


def test_without_a_database(elsewhere: Program) -> None:
    ran = elsewhere("doctor", "--dsn", "postgresql://127.0.0.1:1/none")
    assert ran.code == 1
    assert "cannot connect" in ran.err


def test_it_mends_after_a_question(program: Program, connection: Connection) -> None:
    id = lost(connection)
    no = program("doctor", "--fix", answer="n\n")
    assert no.code == 1
    assert "nothing was changed" in no.err
    assert state(connection, id) == "running"
    yes = program("doctor", "--only", "workers", "--fix", answer="y\n")
    assert yes.code == 0
    assert "SELECT * FROM pgqueue.rescue(true);" in yes.err
    assert "Run this now?" in yes.err
    assert state(connection, id) == "queued"
    assert yes.out.endswith("All is well.\n")


def test_it_mends_without_a_question(program: Program, connection: Connection) -> None:
    id = lost(connection)
    before = definition_of(connection, "promote")
    connection.execute(before.replace("LIMIT max_jobs", "LIMIT 1 + max_jobs").encode())
    connection.execute("DROP INDEX pgqueue.job_ready")
    ran = program("doctor", "--fix", "--yes", "--json")
    document = ran.json
    assert len(document["fixed"]) == 2
    assert definition_of(connection, "promote") == before
    assert state(connection, id) == "queued"
    left = [one for one in document["findings"] if one["check"] == "drift"]
    assert [one["text"] for one in left] == ["index pgqueue.job_ready is missing."]
    assert ran.code == 3, "an index is made by somebody who looks first"


def test_vacuum_can_be_run(program: Program, connection: Connection, other: Connection) -> None:
    connection.execute("ALTER TABLE pgqueue.tick SET (autovacuum_vacuum_threshold = 10)")
    other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM pgqueue.tick")
    connection.execute(
        "INSERT INTO pgqueue.tick (schedule, tick)"
        " SELECT 's', now() + make_interval(secs => n) FROM generate_series(1, 5000) AS n"
    )
    connection.execute("DELETE FROM pgqueue.tick")

    def is_seen() -> bool:
        connection.execute("SELECT 1")  # older servers send statistics with a later statement
        return "5,000 dead rows" in program("doctor", "--only", "vacuum").out

    eventually(is_seen)
    other.execute("ROLLBACK")
    document = program("doctor", "--only", "vacuum", "--fix", "--yes", "--json").json
    assert document["fixed"] == ["VACUUM (SKIP_LOCKED) pgqueue.tick;"]


def test_what_cannot_be_mended_stops_nothing_else(
    program: Program, connection: Connection, other: Connection
) -> None:
    id = lost(connection)
    connection.execute("DROP VIEW pgqueue.dead_jobs")
    other.execute("BEGIN")
    other.execute("LOCK TABLE pgqueue.worker IN SHARE ROW EXCLUSIVE MODE")
    ran = program("doctor", "--fix", "--yes", "--timeout", "500ms")
    other.execute("ROLLBACK")
    assert ran.code == 3
    assert "That did not work: canceling statement due to statement timeout" in ran.err
    assert "Mended 1 thing." in ran.err
    assert state(connection, id) == "running"
    assert connection.execute("SELECT to_regclass('pgqueue.dead_jobs') IS NULL").fetchone() == (
        False,
    )


FINDING = {"check", "status", "text", "fix", "fix_sql", "safe"}


def test_the_keys_of_the_document(program: Program, connection: Connection) -> None:
    lost(connection)
    document: dict[str, Any] = program("doctor", "--json").json
    assert set(document) == {"problems", "warnings", "findings", "fixed"}
    of_server = [one for one in document["findings"] if one["text"].startswith(OF_THE_SERVER)]
    assert document["problems"] == 1 + len(of_server)
    assert all(set(finding) == FINDING for finding in document["findings"])


def test_nothing_is_safe(program: Program, connection: Connection) -> None:
    connection.execute("CREATE TABLE pgqueue.mine (id int)")
    ran = program("doctor", "--only", "drift", "--fix")
    assert ran.code == 0
    assert "Nothing here is safe to mend" in ran.err
    assert connection.execute("SELECT to_regclass('pgqueue.mine') IS NULL").fetchone() == (False,)


@pytest.mark.parametrize("timeout", ["200ms"])
def test_each_question_is_bounded(
    program: Program, connection: Connection, other: Connection, timeout: str
) -> None:
    other.execute("BEGIN")
    other.execute("LOCK TABLE pgqueue.worker IN ACCESS EXCLUSIVE MODE")
    ran = program("doctor", "--only", "workers", "--timeout", timeout)
    other.execute("ROLLBACK")
    assert "not known: it took longer than 0.2 s" in ran.out


def test_info_and_doctor_say_the_same(program: Program, connection: Connection) -> None:
    register(connection, tasks=["other"])
    enqueue(connection, "unheard_of")
    enqueue(connection, queue="reports")
    texts = {one["text"] for one in program("info", "--json").json["warnings"]}
    found = program("doctor", "--only", "queues", "--only", "tasks", "--json").json["findings"]
    assert texts == {one["text"] for one in found}
