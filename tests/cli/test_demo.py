"""`pgqueue demo` as people run it: it shows what it says, and leaves nothing behind."""

import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pgqueue.embedded import EmbeddedServer, EmbeddedServerError
from tests.cli.conftest import Program, Ran
from tests.support import eventually
from tests.support.python_files import FILES, write_corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory for servers, which their user can reach (pytest's own is closed to it under
    root). Fails if a process of ours is left behind that names it.
    """
    path = Path(tempfile.mkdtemp(prefix="pgqueue-place-", dir="/tmp"))
    if os.geteuid() == 0:
        path.chmod(0o711)
    try:
        yield path
        eventually(lambda: not named(path), what="every process that names the place has ended")
        assert not list(path.glob("pgqueue-server-*"))
    finally:
        for data in path.glob("*/pgqueue/demo/*"):
            with contextlib.suppress(EmbeddedServerError):
                EmbeddedServer(data, detached=True).delete()
        shutil.rmtree(path)


def named(path: Path) -> list[list[str]]:
    """Command lines of processes, among them servers and their keepers, that name the path."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if any(str(path) in word for word in line)]


def workers_of(told: str) -> list[int]:
    return [int(pid) for pid in re.findall(r"pid (\d+)", told)]


def assert_ended(pids: list[int]) -> None:
    assert pids
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), what="the workers ended")


def holds(ran: Ran) -> dict[str, bool]:
    return {finding["promise"]: finding["ok"] for finding in ran.json["findings"]}


# The whole of it


@pytest.mark.slow
def test_it_shows_and_checks_everything_and_leaves_nothing(
    elsewhere: Program, folder: Path, place: Path
) -> None:
    (folder / "latin.py").write_bytes("# ä\n".encode("latin-1"))
    ran = elsewhere.alone("demo", "--no-stdlib", str(folder), "--json", TMPDIR=str(place))
    assert ran.code == 0, ran.err
    told = ran.json
    assert told["ok"] is True
    assert set(holds(ran).values()) == {True}
    assert told["documents"] == {
        "found": FILES,
        "skipped": {"not decodable": 1},
        "committed": FILES - 1,
        "rolled_back": 1,
    }
    assert len(told["dead"]) == 1
    assert told["dead"][0]["attempts"] == 3
    assert told["rescue"]["jobs"] > 0
    assert told["rescue"]["seconds"] > 0
    assert re.search(r"demo-[12] killed with SIGKILL while it ran [1-4] job", ran.err)
    assert re.search(r"[1-4] jobs? of demo-[12] rescued .+ after the SIGKILL", ran.err)
    assert "demo-3 joined" in ran.err
    assert "0 lost" in ran.err
    assert "0 doubled" in ran.err
    assert f"pgqueue jobs show {told['dead'][0]['id']}" in ran.err
    assert "Every promise was kept" in ran.err
    assert_ended(workers_of(ran.err))


@pytest.mark.slow
def test_what_is_kept_can_be_looked_at_mended_and_removed(
    elsewhere: Program, folder: Path, place: Path
) -> None:
    home = {"XDG_DATA_HOME": str(place / "share")}
    ran = elsewhere.alone("demo", "--no-stdlib", str(folder), "--keep", **home)
    assert ran.code == 0, ran.out + ran.err
    assert_ended(workers_of(ran.out))

    again = elsewhere.alone("demo", "--no-stdlib", str(folder), "--keep", **home)
    assert again.code == 1
    assert "an earlier demo is kept already" in again.err

    exported = re.search(r"export PGQUEUE_DSN='(.+)'", ran.out)
    assert exported
    commands = re.findall(r"^  pgqueue (.+)$", ran.out, re.MULTILINE)
    commands = [line for line in commands if not line.startswith("dev psql")]
    assert [line.split()[0] for line in commands] == ["info", *["jobs"] * 2, "worker", *["dev"] * 2]
    with psycopg.connect(exported[1]) as connection:
        connection.execute("UPDATE document SET trouble = NULL")
    for line in commands:
        done = elsewhere.alone(*line.split(), PGQUEUE_DSN=exported[1])
        assert done.code == 0, (line, done)
        if line.startswith("worker"):
            with psycopg.connect(exported[1]) as connection:
                dead = connection.execute("SELECT FROM pgqueue.dead_jobs").fetchall()
                results = connection.execute("SELECT FROM document_index").fetchall()
            assert (len(dead), len(results)) == (0, FILES - 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_an_interrupted_demo_stops_everything(
    elsewhere: Program, folder: Path, place: Path, number: signal.Signals, code: int
) -> None:
    elsewhere.environment |= {"TMPDIR": str(place), "PYTHONUNBUFFERED": "1"}
    running = elsewhere.start("demo", "--no-stdlib", str(folder))
    assert running.stdout is not None
    told = ""
    while "finished" not in told:
        line = running.stdout.readline()
        assert line, told
        told += line
    assert named(place)
    running.send_signal(number)
    rest, errors = running.communicate(timeout=60)
    assert running.returncode == code, rest + errors
    assert "Traceback" not in rest + errors
    assert_ended(workers_of(told))


# A database of one's own

DOUBLING = """
CREATE FUNCTION double() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 AND NEW.document_id = 3 THEN
        INSERT INTO document_index SELECT NEW.*;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION arm() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('document_index') IS NOT NULL THEN
        CREATE OR REPLACE TRIGGER doubling AFTER INSERT ON document_index
        FOR EACH ROW EXECUTE FUNCTION double();
    END IF;
END $$;
CREATE EVENT TRIGGER arm ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION arm();
"""


@pytest.mark.slow
def test_a_doubled_result_makes_it_fail(elsewhere: Program, folder: Path, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as connection:
        connection.execute(DOUBLING)
    ran = elsewhere.alone("demo", "--no-stdlib", str(folder), "--dsn", empty_dsn, "--json")
    assert ran.code == 1, ran.err
    assert [promise for promise, ok in holds(ran).items() if not ok] == ["0 doubled"]
    assert "has 2 results, not 1" in ran.err
    assert "NOT every promise was kept" in ran.err
    with psycopg.connect(empty_dsn) as connection:
        left = connection.execute("SELECT to_regclass('document'), to_regnamespace('pgqueue')")
        assert left.fetchone() == (None, None)


def test_a_database_with_a_schema_pgqueue_is_not_touched(elsewhere: Program, dsn: str) -> None:
    ran = elsewhere("demo", "--dsn", dsn)
    assert ran.code == 1
    assert "has a schema pgqueue already" in ran.err
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT FROM pgqueue.jobs")


def test_a_database_with_a_table_of_that_name_is_not_touched(
    elsewhere: Program, empty_dsn: str
) -> None:
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("CREATE TABLE document (mine text)")
    ran = elsewhere("demo", "--dsn", empty_dsn)
    assert ran.code == 1
    assert "has a table document already" in ran.err
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("SELECT mine FROM document")


def test_a_database_in_the_environment_is_not_used(
    elsewhere: Program, dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Otherwise the error would be about the schema in it."""
    monkeypatch.setenv("PGQUEUE_DSN", dsn)
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("PGQUEUE_PG_BIN", str(tmp_path))
    ran = elsewhere("demo")
    assert ran.code == 1
    assert "There is no postgres" in ran.err
    assert "pgqueue demo --dsn" in ran.err


def test_an_unreachable_database_is_named_without_its_password(elsewhere: Program) -> None:
    ran = elsewhere("demo", "--dsn", "postgresql://me:geheim@127.0.0.1:1/nowhere")
    assert ran.code == 1
    assert "cannot connect to the database" in ran.err
    assert "private server" in ran.err
    assert "geheim" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nowhere"], 2, "does not exist"),
        (["empty"], 2, "there are no Python files in empty"),
        (["--no-stdlib"], 2, "leaves nothing to index"),
        (["--no-stdlib", "few"], 2, "1 Python files are too few"),
    ],
)
def test_what_cannot_be_indexed(
    elsewhere: Program, arguments: list[str], code: int, told: str
) -> None:
    (elsewhere.folder / "empty").mkdir()
    (elsewhere.folder / "few").mkdir()
    elsewhere.write("few/one.py", "")
    ran = elsewhere("demo", *arguments)
    assert ran.code == code
    assert told in ran.err
    assert "Hint: " in ran.err
