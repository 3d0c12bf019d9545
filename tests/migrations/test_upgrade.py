"""Up, down and up again; many at once; only where it is safe."""

import logging
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from pgqueue.migrations import (
    MigrationError,
    Status,
    Step,
    database,
    downgrade,
    revision,
    status,
    upgrade,
)
from tests.support.catalogue import describe_schema
from tests.support.server import Server

NEWEST = revision.revisions()[-1]
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname = 'pgqueue'"


def run(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def described(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return describe_schema(connection)


def test_an_empty_database_is_brought_up_to_date(empty_dsn: str) -> None:
    steps: list[Step] = []
    assert status(empty_dsn) == Status(None, NEWEST, revision.revisions())
    upgrade(empty_dsn, on_step=steps.append)
    assert status(empty_dsn) == Status(NEWEST, NEWEST, ())
    assert status(empty_dsn).is_current
    assert [step.revision for step in steps] == list(revision.revisions())
    assert all(step.seconds > 0 and not step.is_downgrade for step in steps)


def test_a_second_upgrade_does_nothing(empty_dsn: str) -> None:
    steps: list[Step] = []
    upgrade(empty_dsn)
    upgrade(empty_dsn, on_step=steps.append)
    assert steps == []


def test_down_and_up_again_gives_the_same(empty_dsn: str) -> None:
    steps: list[Step] = []
    upgrade(empty_dsn)
    before = described(empty_dsn)
    downgrade(empty_dsn, to="base", on_step=steps.append)
    assert [step.is_downgrade for step in steps] == [True] * len(revision.revisions())
    assert run(empty_dsn, SCHEMAS) == []
    assert status(empty_dsn).installed is None
    upgrade(empty_dsn)
    assert described(empty_dsn) == before


def test_a_downgrade_takes_jobs_and_later_partitions_along(dsn: str) -> None:
    run(dsn, "SELECT pgqueue.enqueue('t'), pgqueue.add_partition('2100-01-01')")
    downgrade(dsn, to="base")
    assert run(dsn, SCHEMAS) == []


def test_a_downgrade_leaves_what_is_not_ours(dsn: str) -> None:
    run(dsn, "CREATE TABLE pgqueue.mine (id bigint)")
    downgrade(dsn, to="base")
    left = "SELECT relname FROM pg_class WHERE relnamespace = 'pgqueue'::regnamespace ORDER BY 1"
    assert run(dsn, left) == [("mine",), ("schema_version",), ("schema_version_pkc",)]
    upgrade(dsn)
    assert status(dsn).is_current


def test_a_downgrade_to_where_we_are_does_nothing(dsn: str) -> None:
    steps: list[Step] = []
    downgrade(dsn, to=NEWEST, on_step=steps.append)
    assert (steps, status(dsn).installed) == ([], NEWEST)


@pytest.mark.parametrize(
    ("name", "found"),
    [("head", NEWEST), ("base", None), ("1", "pgqueue_0001"), ("0001", "pgqueue_0001")],
)
def test_revisions_have_short_names(name: str, found: str | None) -> None:
    assert revision.resolve(name) == found


def test_an_unknown_revision_is_refused(empty_dsn: str) -> None:
    with pytest.raises(MigrationError, match=r'no revision "7000". Known: base, pgqueue_0001'):
        upgrade(empty_dsn, to="7000")
    assert run(empty_dsn, SCHEMAS) == []


def test_every_revision_has_its_sql_and_its_place() -> None:
    from alembic.script import ScriptDirectory

    chain = ScriptDirectory(str(database.__file__).rpartition("/")[0]).walk_revisions()
    assert [step.revision for step in chain] == list(reversed(revision.revisions()))


@pytest.mark.parametrize(
    "change",
    [
        lambda dsn: dsn.replace("postgresql://", "postgresql+psycopg://"),
        lambda dsn: dsn.replace("postgresql://", "postgres://"),
        lambda dsn: psycopg.conninfo.make_conninfo(dsn),
    ],
    ids=["sqlalchemy", "postgres", "keys and values"],
)
def test_the_dsn_may_be_written_in_many_ways(empty_dsn: str, change: Callable[[str], str]) -> None:
    upgrade(change(empty_dsn))
    assert status(change(empty_dsn)).is_current


def test_an_administrator_may_have_made_the_schema(empty_dsn: str) -> None:
    run(empty_dsn, "CREATE SCHEMA pgqueue")
    upgrade(empty_dsn)
    assert status(empty_dsn).is_current


def test_it_configures_no_logging_and_prints_nothing(
    empty_dsn: str, capfd: pytest.CaptureFixture[str]
) -> None:
    loggers = [logging.getLogger(name) for name in (None, "alembic", "sqlalchemy")]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    upgrade(empty_dsn)
    assert [(logger.level, list(logger.handlers)) for logger in loggers] == before
    assert capfd.readouterr() == ("", "")


def test_importing_it_is_cheap() -> None:
    program = "import pgqueue.migrations, sys; print({'alembic', 'sqlalchemy'} & {*sys.modules})"
    printed = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert printed.strip() == "set()"


# Many at once

RACER = """
import sys
from pgqueue.migrations import status, upgrade
sys.stdin.readline()
upgrade(sys.argv[1], on_step=lambda step: print(step.revision))
assert status(sys.argv[1]).is_current
"""


def test_ten_processes_at_once(empty_dsn: str) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, empty_dsn],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    printed = [racer.communicate(timeout=120)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 10
    assert "".join(printed).split() == list(revision.revisions())


def test_waiting_for_another_process_has_an_end(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(%s, %s)", database.LOCK)
        with pytest.raises(MigrationError, match=r"migrating this database for more than 0.1 sec"):
            upgrade(empty_dsn, wait=0.1)
    upgrade(empty_dsn)


def test_a_table_in_use_is_not_waited_for_long(dsn: str) -> None:
    before = described(dsn)
    with psycopg.connect(dsn) as elsewhere:
        elsewhere.execute("SELECT FROM pgqueue.job")
        with pytest.raises(MigrationError, match=r"locked for more than 0.1 seconds. Nothing was"):
            downgrade(dsn, to="base", lock_timeout=0.1)
    assert described(dsn) == before


# Refusals


@pytest.mark.parametrize(
    "theirs",
    [
        "CREATE TABLE pgqueue.schema_version (version text)",
        "CREATE TABLE pgqueue.jobs (id bigint)",
        "CREATE FUNCTION pgqueue.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE pgqueue.mood AS ENUM ('good')",
    ],
)
def test_a_foreign_schema_is_left_alone(empty_dsn: str, theirs: str) -> None:
    run(empty_dsn, f"CREATE SCHEMA pgqueue; {theirs}")
    for act in (upgrade, status):
        with pytest.raises(MigrationError, match=r"foreign schema.*ALTER SCHEMA pgqueue RENAME"):
            act(empty_dsn)


def test_a_newer_schema_is_left_alone(dsn: str) -> None:
    run(dsn, "UPDATE pgqueue.schema_version SET version_num = 'pgqueue_9999'")
    message = f"knows up to {NEWEST}, the database is at pgqueue_9999: upgrade pgqueue"
    with pytest.raises(MigrationError, match=message):
        upgrade(dsn)
    with pytest.raises(MigrationError, match=message):
        downgrade(dsn, to="base")
    found = status(dsn)
    assert (found.installed, found.pending) == ("pgqueue_9999", ())
    assert found.is_too_new
    assert not found.is_current


def test_a_database_in_another_encoding_is_refused(server: Server) -> None:
    options = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    if server.version >= 15:
        options += " LOCALE_PROVIDER libc"
    with (
        server.database(template="template0", options=options) as latin_dsn,
        pytest.raises(MigrationError, match=r"encoding UTF8; this one has LATIN1. Create one"),
    ):
        upgrade(latin_dsn)


def test_an_old_server_is_refused() -> None:
    info = SimpleNamespace(server_version=130014, parameter_status=lambda _: "13.14")
    too_old = cast("psycopg.Connection[Any]", SimpleNamespace(info=info))
    with pytest.raises(MigrationError, match=r"needs PostgreSQL 14 or newer; this server is 13.14"):
        database.check(too_old)


def test_an_error_of_the_server_comes_through(empty_dsn: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        upgrade(psycopg.conninfo.make_conninfo(empty_dsn, dbname="no such database"))


def test_a_step_that_fails_leaves_nothing(empty_dsn: str) -> None:
    run(
        empty_dsn,
        """
        CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no views today'; END $$;
        CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE VIEW')
        EXECUTE FUNCTION public.refuse();
        """,
    )
    with pytest.raises(psycopg.errors.RaiseException, match="no views today"):
        upgrade(empty_dsn)
    assert run(empty_dsn, SCHEMAS) == []
