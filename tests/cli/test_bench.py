"""`pgqueue bench` as people run it: figures of every group, and nothing left behind."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from psycopg.conninfo import make_conninfo

from pgqueue.benchmarks.groups import GROUPS
from tests.support.server import Server
from tests.support.waiting import eventually

from .conftest import Program

TINY = (
    *("--rounds", "1", "--jobs", "300", "--seconds", "0.1", "--pin-seconds", "3"),
    *("--backlog", "2000"),
)
FIGURES = {
    "enqueue": 7,
    "bulk": 2,
    "drain": 6,
    "latency": 6,
    "idle": 3,
    "cost": 14,
    "backlog": 4,
    "flow": 7,
    "parked": 2,
    "pinned": 3,
    "dashboard": 16,
}
MAY_BE_NOTHING = ("transactions", "processor", "pauses", "500 jobs/s")
"""In so short a time there may be none."""


def databases(server: Server) -> set[object]:
    """Those of benchmarks, of whoever."""
    query = "SELECT datname FROM pg_database WHERE datname LIKE 'pgqueue\\_bench\\_%'"
    return {row[0] for row in server.execute(query)}


def check(group: dict[str, Any]) -> None:
    figures, missing = group["figures"], group["missing"]
    assert len(figures) + len(missing) == FIGURES[group["name"]]
    if Path("/proc/self/stat").exists():
        assert [name for name in missing if not name.startswith("processor, server")] == []
    for figure in figures:
        for value in (*figure["values"], *figure["floors"]):
            assert value > 0 or figure["name"].startswith(MAY_BE_NOTHING), figure
    if group["name"] == "pinned":
        assert all(len(figure["series"]) >= 1 for figure in figures)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_a_group_yields_its_figures_and_leaves_no_database(
    program: Program, server: Server, group: str
) -> None:
    ran = program.alone("--json", "bench", group, *TINY)
    assert ran.code == 0, ran.err
    assert ran.err == ""
    told = ran.json
    (found,) = told["groups"]
    assert found["name"] == group
    check(found)
    assert told["plan"]["jobs"] == 300
    assert told["server"]["fsync"] in ("on", "off")
    assert told["again"].startswith(f"pgqueue bench {group} --rounds 1 --jobs 300")
    assert told["database"].startswith("pgqueue_bench_")
    assert told["database"] not in databases(server)


def test_people_see_tables_and_the_command_for_the_same_again(
    program: Program, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    picture = tmp_path / "bulk.svg"
    ran = program.alone("bench", "bulk", *TINY, "--picture", str(picture))
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Enqueue in bulk (bulk)\n figure ")
    assert "INSERT … FROM unnest, 300 a commit" in ran.out
    assert ran.out.splitlines()[-2].startswith("PostgreSQL 1")
    assert ran.out.endswith("again: pgqueue bench bulk --rounds 1 --jobs 300 --seconds 0.1\n")
    assert ran.err == f"drawn: {picture}\n"
    assert picture.exists()


@pytest.mark.slow
def test_without_a_database_it_starts_a_private_server(elsewhere: Program) -> None:
    ran = elsewhere.alone("bench", "bulk", *TINY, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["again"].endswith(" --private")
    settings = ran.json["server"]
    assert (settings["fsync"], settings["synchronous_commit"]) == ("on", "on")
    assert settings["shared_buffers"] == "512MB"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_interrupted_it_stops_its_processes_and_drops_its_database(
    program: Program, server: Server, number: signal.Signals, code: int
) -> None:
    before = databases(server)
    process = program.start("bench", "drain", "--rounds", "100")
    with process:
        children = psutil.Process(process.pid).children
        eventually(children, within=30, what="it started a process")
        started = children(recursive=True)
        assert len(databases(server) - before) == 1
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert told.strip() == ""
    eventually(lambda: not any(child.is_running() for child in started))
    assert databases(server) <= before


def test_interrupted_at_once_it_leaves_no_database_either(program: Program, server: Server) -> None:
    before = databases(server)
    process = program.start("bench", "drain")
    with process:
        eventually(lambda: databases(server) - before, within=30, what="it made its database")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert databases(server) <= before


# Refusals, before anything is made


@pytest.fixture
def nobody(server: Server) -> Iterator[str]:
    """A role that may connect, and nothing else."""
    name = f"pgqueue_test_nobody_{os.getpid()}"
    drop = f"DROP ROLE IF EXISTS {name}"
    server.execute(drop)
    server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    yield name
    server.execute(drop)


def test_a_role_that_may_not_make_databases_is_told_what_to_do(
    program: Program, dsn: str, nobody: str
) -> None:
    ran = program(
        "bench", "bulk", *TINY, "--dsn", make_conninfo(dsn, user=nobody, password="secret")
    )
    assert ran.code == 1
    assert f'the role "{nobody}" may not create databases.' in ran.err
    assert f'Hint: ALTER ROLE "{nobody}" CREATEDB' in ran.err


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (["drian"], 'there is no group "drian".', "there are: enqueue, bulk, drain"),
        (["--picture", "figures.pdf"], "figures.pdf is no name for a picture.", ".svg or .png"),
        (["--picture", "there/a.svg"], "there is no directory there.", "mkdir -p there"),
        (["--private", "--dsn", "x"], "--private and --dsn name two servers.", "leave out one"),
        (["--seconds", "0"], "0s does not lie between 0.1s and 3600s.", "pgqueue bench --help"),
        (["--pin-seconds", "1"], "1s does not lie between 3s and 3600s.", "pgqueue bench --help"),
    ],
)
def test_what_cannot_work_is_said_at_once(
    program: Program, arguments: list[str], what: str, hint: str
) -> None:
    ran = program("bench", *arguments)
    assert ran.code in (1, 2)
    assert what in ran.err
    assert "Hint: " in ran.err
    assert hint in ran.err
    assert ran.out == ""


def test_a_picture_needs_matplotlib_and_says_how_to_get_it(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = program("bench", "--picture", "figures.svg")
    assert ran.code == 1
    assert "--picture needs matplotlib, which is not installed." in ran.err
    assert 'pip install "pgqueue[bench]"' in ran.err


def test_a_server_that_is_not_there_is_told_as_everywhere(elsewhere: Program) -> None:
    ran = elsewhere("bench", "bulk", "--dsn", "postgresql://127.0.0.1:1/none")
    assert ran.code == 1
    assert "cannot connect to the database." in ran.err
