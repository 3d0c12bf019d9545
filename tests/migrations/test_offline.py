"""The SQL that is printed does what a migration does, to the letter."""

import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from pgqueue.migrations import MigrationError, revision, sql, status, upgrade
from tests.migrations.test_upgrade import SCHEMAS, described, run
from tests.support.server import Server


@pytest.fixture
def psql() -> str:
    """The path of psql."""
    found = shutil.which("psql")
    if found is None:
        pytest.skip("psql is not on the PATH")
    return found


def test_the_frozen_files_are_printed_untouched() -> None:
    up, down = sql(), sql(down=True)
    for name in revision.revisions():
        assert all(text in up for text in revision.upgrade_sql(name))
        assert all(text in down for text in revision.downgrade_sql(name))


def test_the_printed_sql_gives_the_same_schema(empty_dsn: str, server: Server) -> None:
    upgrade(empty_dsn)
    with server.database() as printed:
        run(printed, sql())
        assert status(printed).is_current
        assert described(printed) == described(empty_dsn)
        run(printed, sql(down=True))
        assert run(printed, SCHEMAS) == []


def test_psql_runs_it(empty_dsn: str, psql: str, tmp_path: Path) -> None:
    for down in (False, True):
        file = tmp_path / "migrate.sql"
        file.write_text(sql(down=down), encoding="utf-8")
        command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file), empty_dsn]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert status(empty_dsn).is_current is not down


def test_each_step_is_a_transaction() -> None:
    lines = sql().splitlines()
    assert lines.count("BEGIN;") == lines.count("COMMIT;") == len(revision.revisions())


@pytest.mark.parametrize(("from_", "to", "down"), [("head", "head", False), ("base", "1", True)])
def test_nothing_to_print_is_an_error(from_: str, to: str, down: bool) -> None:
    with pytest.raises(MigrationError, match="There is nothing to"):
        sql(from_=from_, to=to, down=down)


def test_a_broken_script_does_not_stop_halfway(empty_dsn: str) -> None:
    with pytest.raises(psycopg.errors.SyntaxError):
        run(empty_dsn, sql().replace("CREATE VIEW pgqueue.jobs", "CREATE VIEWW pgqueue.jobs"))
    assert status(empty_dsn).installed is None
