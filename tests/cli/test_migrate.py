"""Migrating from the command line."""

import subprocess

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from .conftest import Program


def schema_exists(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT to_regnamespace('pgqueue') IS NOT NULL").fetchone()
    return row == (True,)


def test_up_status_and_down(elsewhere: Program, empty_dsn: str) -> None:
    where = ["-d", empty_dsn]
    ran = elsewhere("migrate", "status", *where)
    assert (ran.code, ran.out.splitlines()[0]) == (3, "installed  nothing")
    ran = elsewhere("migrate", "status", "--check", *where)
    assert (ran.code, ran.out) == (3, "")

    ran = elsewhere("migrate", "--dry-run", *where)
    assert (ran.code, ran.out) == (0, "     1  would be applied  The first data model\n")
    assert not schema_exists(empty_dsn)

    ran = elsewhere("migrate", *where)
    assert ran.code == 0
    with psycopg.connect(empty_dsn) as connection:
        info = connection.info
        place = f'{info.host}:{info.port}, database "{info.dbname}" (dsn from --dsn)'
    assert ran.err.splitlines()[0] == f'{place}: schema "pgqueue" does not exist'
    assert ran.out.startswith("     1  ✔  ")
    assert ran.out.endswith("  The first data model\n")
    assert ran.err.endswith("At version 1. Next: pgqueue worker\n")
    assert elsewhere("migrate", *where).out == ""
    assert elsewhere("migrate", "status", *where).out == "installed  1\nnewest     1\n"
    assert elsewhere("migrate", "status", "--check", *where).code == 0

    ran = elsewhere("migrate", "down", "--to", "0", *where, answer="yes\n")
    assert (ran.code, "type pgqueue, or pass --yes" in ran.err) == (2, True)
    assert "jobs and the history in them are lost" in ran.err
    assert schema_exists(empty_dsn)
    ran = elsewhere("migrate", "down", "--to", "0", *where)
    assert ran.code == 2
    ran = elsewhere("migrate", "down", "--to", "0", *where, answer="pgqueue\n")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "The schema is gone.")
    assert not schema_exists(empty_dsn)
    ran = elsewhere("migrate", "down", "--to", "0", *where)
    assert (ran.code, "nothing to take back" in ran.err) == (0, True)


def test_where_is_told_when_nothing_was_named(
    elsewhere: Program, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = conninfo_to_dict(empty_dsn)
    for name, variable in (("host", "PGHOST"), ("port", "PGPORT"), ("user", "PGUSER"),
                           ("password", "PGPASSWORD"), ("dbname", "PGDATABASE")):  # fmt: skip
        if parts.get(name):
            monkeypatch.setenv(variable, str(parts[name]))
    told = elsewhere("migrate").err.splitlines()[0]
    assert f', database "{parts["dbname"]}" (dsn from PGHOST, PGDATABASE and the other' in told


def test_json(elsewhere: Program, empty_dsn: str) -> None:
    where = ["-d", empty_dsn, "--json"]
    up = elsewhere("migrate", *where).json
    assert (up["from"], up["to"], len(up["steps"])) == (None, "pgqueue_0001", 1)
    down = elsewhere("migrate", "down", "--to", "0", "--yes", *where).json
    assert (down["from"], down["to"]) == ("pgqueue_0001", None)


def test_the_sql_is_for_psql(elsewhere: Program, empty_dsn: str) -> None:
    text = elsewhere("migrate", "sql").out
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(text.encode())
    assert elsewhere("migrate", "status", "-d", empty_dsn).code == 0
    text = elsewhere("migrate", "sql", "--down", "--to", "0").out
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(text.encode())
    assert not schema_exists(empty_dsn)


def test_unknown_versions(elsewhere: Program, empty_dsn: str) -> None:
    for line in (
        ["migrate", "--to", "77"],
        ["migrate", "down", "--to", "77"],
        ["migrate", "sql", "--from", "77"],
    ):
        ran = elsewhere(*line, "-d", empty_dsn)
        assert ran.code == 1
        assert 'There is no revision "77"' in ran.err
    assert not schema_exists(empty_dsn)


def test_many_may_migrate_at_once(elsewhere: Program, empty_dsn: str) -> None:
    running = [elsewhere.start("migrate", "-d", empty_dsn, "-q") for _ in range(3)]
    for one in running:
        _, err = one.communicate(timeout=60)
        assert one.returncode == 0, err
    assert elsewhere("migrate", "status", "-d", empty_dsn).code == 0


def test_the_group_and_its_commands_share_the_flags(elsewhere: Program, empty_dsn: str) -> None:
    assert elsewhere("migrate", "-d", empty_dsn, "status").code == 3
    done = subprocess.run(
        elsewhere.command("-d", empty_dsn, "migrate", "--json"),
        env=elsewhere.environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
