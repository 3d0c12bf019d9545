"""Errors: what, why, and what to do about it; never a traceback unasked, never a password."""

from urllib.parse import urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.jobs import Connection, enqueue
from tests.support.waiting import eventually

from .conftest import Program

COMMANDS = (["jobs", "ls"], ["info"], ["queues", "ls"], ["workers", "ls"], ["jobs", "show", "1"])
CLOSED = "postgresql://app:s3cret-word@127.0.0.1:1/shop"


@pytest.mark.parametrize("command", [*COMMANDS, ["migrate"], ["migrate", "status"]])
def test_no_database_there(elsewhere: Program, command: list[str]) -> None:
    ran = elsewhere(*command, "-d", CLOSED)
    lines = ran.err.splitlines()
    assert ran.code == 1
    assert lines[0] == "Error: cannot connect to the database."
    assert "dbname=shop" in lines[1]
    assert "onnection refused" in lines[1]
    assert lines[2] == "  (dsn from --dsn)"
    assert lines[3].startswith("Hint: no Postgres yet? `pgqueue dev start`")
    assert "s3cret" not in ran.err + ran.out


def test_the_source_of_the_dsn_is_told(elsewhere: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", CLOSED)
    assert "(dsn from DATABASE_URL)" in elsewhere("info").err
    elsewhere.write("some.env", f"# ours\nexport PGQUEUE_DSN='{CLOSED}'\n")
    assert "PGQUEUE_DSN in some.env" in elsewhere("info", "--env-file", "some.env").err
    monkeypatch.delenv("PGQUEUE_DSN")
    monkeypatch.delenv("DATABASE_URL")
    elsewhere.write("pyproject.toml", f'[tool.pgqueue]\ndsn = "{CLOSED}"\n')
    assert "pyproject.toml)" in elsewhere("info").err


def test_a_database_that_does_not_exist(program: Program, dsn: str) -> None:
    ran = program("info", "-d", make_conninfo(dsn, dbname="nowhere_to_be_found"))
    assert 'database "nowhere_to_be_found" does not exist' in ran.err
    assert "createdb" in ran.err


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        ({"port": 99999}, "check the port in the DSN"),
        ({"port": "abc"}, "check the port in the DSN"),
        ({"host": "nowhere.invalid"}, "check the host in the DSN"),
        ({"user": "nobody_of_that_name"}, "check the user in the DSN"),
    ],
)
@pytest.mark.parametrize("command", ["info", "migrate"])
def test_a_dsn_that_leads_nowhere(
    elsewhere: Program, dsn: str, command: str, changed: dict[str, str], hint: str
) -> None:
    ran = elsewhere(command, "-d", make_conninfo(dsn, **changed))
    assert (ran.code, ran.err.splitlines()[0]) == (1, "Error: cannot connect to the database.")
    assert ran.err.splitlines()[-1].startswith(f"Hint: {hint}")


@pytest.mark.parametrize(
    "broken",
    [
        "postgresql://app:s3cret-word@host:port:port/shop",
        "postgresql://app:s3cret-word@[::1/shop",
        "password=s3cret-word user",
        "mysql://app:s3cret-word@host/shop",
    ],
)
@pytest.mark.parametrize("command", [["info"], ["migrate"], ["config"], ["info", "-vv"]])
def test_a_dsn_that_cannot_be_read_is_not_shown(
    elsewhere: Program, broken: str, command: list[str]
) -> None:
    ran = elsewhere(*command, "-d", broken)
    assert ran.code in (1, 2) or command == ["config"]
    assert "s3cret" not in ran.err + ran.out


def test_the_password_stays_hidden_in_tracebacks_and_settings(elsewhere: Program) -> None:
    for command in (["info", "-vv"], ["config"], ["config", "--json"], ["migrate", "-vv"]):
        ran = elsewhere(*command, "-d", CLOSED)
        assert "s3cret" not in ran.err + ran.out
        assert ("Traceback" in ran.err) == ("-vv" in command)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_schema(program: Program, empty_dsn: str, command: list[str]) -> None:
    ran = program(*command, "-d", empty_dsn)
    name = urlsplit(empty_dsn).path[1:]
    assert ran.code == 3
    assert ran.err.splitlines() == [
        f'Error: schema "pgqueue" in database "{name}" is not installed.',
        "  (dsn from --dsn)",
        "Hint: pgqueue migrate",
    ]


def test_no_schema_in_a_database_that_nobody_named(
    elsewhere: Program, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    for name, value in conninfo_to_dict(empty_dsn).items():
        monkeypatch.setenv(names.get(name, f"PG{name.upper()}"), str(value))
    ran = elsewhere("jobs", "ls")
    assert ran.code == 3
    first = "set DATABASE_URL (or --dsn) first if you mean another database"
    assert ran.err.splitlines()[-1] == f"Hint: {first}; in this one: pgqueue migrate"


def test_schema_too_old_too_new_or_foreign(program: Program, connection: Connection) -> None:
    connection.execute("UPDATE pgqueue.schema_version SET version_num = 'pgqueue_0000'")
    ran = program("info")
    assert ran.code == 3
    assert "is at version 0, this release needs 1." in ran.err
    assert "Hint: pgqueue migrate          (or: pgqueue migrate sql --from 0 | psql)" in ran.err

    connection.execute("UPDATE pgqueue.schema_version SET version_num = 'pgqueue_9999'")
    ran = program("info")
    assert (ran.code, "upgrade pgqueue" in ran.err) == (3, True)
    ran = program("migrate")
    assert (ran.code, "upgrade pgqueue" in ran.err) == (1, True)

    connection.execute("DROP TABLE pgqueue.schema_version")
    ran = program("info")
    assert ran.code == 3
    assert "was not made by pgqueue." in ran.err
    assert "Hint: use another database, or rename that schema" in ran.err
    assert program("migrate").code == 1


def test_a_query_that_takes_too_long(program: Program, connection: Connection) -> None:
    with connection.transaction():
        connection.execute("LOCK TABLE pgqueue.job IN ACCESS EXCLUSIVE MODE")
        ran = program("jobs", "ls", "--timeout", "50ms")
    assert ran.code == 1
    assert "did not answer within 0.05 seconds" in ran.err
    assert "--timeout 60s" in ran.err


def test_a_role_without_rights(program: Program, connection: Connection) -> None:
    connection.execute("DROP ROLE IF EXISTS pgqueue_cli_nobody")
    connection.execute("CREATE ROLE pgqueue_cli_nobody")
    try:
        connection.execute("GRANT USAGE ON SCHEMA pgqueue TO pgqueue_cli_nobody")
        connection.execute("GRANT SELECT ON pgqueue.schema_version TO pgqueue_cli_nobody")
        dsn = make_conninfo(program.environment["PGQUEUE_DSN"], options="-crole=pgqueue_cli_nobody")
        ran = program("jobs", "ls", "-d", dsn)
        assert ran.code == 1
        assert "permission denied for view jobs" in ran.err
    finally:
        connection.execute("DROP OWNED BY pgqueue_cli_nobody")
        connection.execute("DROP ROLE pgqueue_cli_nobody")


def test_tracebacks_only_when_asked_for(program: Program, connection: Connection) -> None:
    connection.execute("DROP VIEW pgqueue.error_groups, pgqueue.failures")
    id = enqueue(connection)
    quiet, loud = program("jobs", "show", str(id)), program("jobs", "show", str(id), "-vv")
    assert quiet.code == loud.code == 1
    assert 'relation "pgqueue.failures" does not exist' in quiet.err
    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err


def test_an_environment_file_or_configuration_that_cannot_be_read(elsewhere: Program) -> None:
    elsewhere.write("bad.env", "A=1\nnonsense\n")
    ran = elsewhere("info", "--env-file", "bad.env")
    assert (ran.code, "line 2 of bad.env is not KEY=VALUE" in ran.err) == (2, True)
    assert elsewhere("info", "--env-file", "missing.env").code == 2
    for text, what in (
        ("[tool.pgqueue]\nap = 'x'\n", 'unknown setting "ap"'),
        ("[tool.pgqueue]\napp = 1\n", "app in"),
        ("[tool", "cannot read"),
        ("[tool]\npgqueue = 1\n", "is not a table"),
    ):
        elsewhere.write("pyproject.toml", text)
        ran = elsewhere("config")
        assert (ran.code, what in ran.err) == (2, True), ran.err


def test_variables_win_over_the_file_that_fills_the_gaps(
    program: Program, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.write("some.env", f"PGQUEUE_DSN={CLOSED}\nexport PGQUEUE_APP = 'one:app'  # ours\n")
    # What the file sets stays set for the process, so that libpq sees it too.
    monkeypatch.setenv("PGQUEUE_APP", "")
    monkeypatch.delenv("PGQUEUE_APP")
    found = {
        item["name"]: item
        for item in program("config", "--env-file", "some.env", "--json").json["items"]
    }
    assert found["dsn"]["source"] == "PGQUEUE_DSN"
    assert found["app"]["source"] == "PGQUEUE_APP in some.env"
    assert found["app"]["value"] == "one:app"
    assert program("info", "--env-file", "some.env").code == 0


def test_a_connection_that_is_cut(program: Program, connection: Connection) -> None:
    id = enqueue(connection)
    running = program.start("jobs", "wait", str(id))
    eventually(
        lambda: (
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle' "
                "AND application_name = 'pgqueue wait' AND datname = current_database()"
            ).rowcount
        )
    )
    _, err = running.communicate(timeout=20)
    assert running.returncode == 1
    assert "Error: the connection to the database was lost." in err
    assert "Traceback" not in err
