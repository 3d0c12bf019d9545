"""The server stands in for pytest-postgresql's own, as its documentation shows."""

import subprocess
import sys
from pathlib import Path

CONFTEST = """
import pytest
from pytest_postgresql import factories
from pgqueue.embedded import EmbeddedServer

@pytest.fixture(scope="session")
def private_server():
    with EmbeddedServer(tcp={tcp}) as server:
        yield server

def load(*, host, port, user, dbname, password, **_):
    import psycopg
    with psycopg.connect(host=host, port=port, user=user, dbname=dbname, password=password) as c:
        c.execute("CREATE TABLE loaded AS SELECT 42 AS n")

postgresql_noproc = factories.postgresql_noproc(depends_on="private_server", load=[load])
postgresql = factories.postgresql("postgresql_noproc")
"""
TESTS = """
def test_it_is_loaded(postgresql):
    assert postgresql.execute("SELECT n FROM loaded").fetchone() == (42,)
    postgresql.execute("DELETE FROM loaded")
    postgresql.commit()

def test_each_test_has_its_own(postgresql):
    assert postgresql.execute("SELECT n FROM loaded").fetchone() == (42,)
"""


def run_tests(folder: Path, *options: str, tcp: bool = False) -> str:
    (folder / "conftest.py").write_text(CONFTEST.format(tcp=tcp))
    (folder / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, folder],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_test_gets_a_database(tmp_path: Path) -> None:
    assert "2 passed" in run_tests(tmp_path)


def test_over_tcp_and_with_workers_too(tmp_path: Path) -> None:
    assert "2 passed" in run_tests(tmp_path, "-n", "2", tcp=True)
