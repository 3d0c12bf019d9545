"""`pgqueue top`: a screen over a real database, driven by keys."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.rows import dict_row
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from pgqueue.cli.board import Board
from pgqueue.cli.session import Session
from pgqueue.cli.top_screen import Top
from tests.support.jobs import Connection, claim, enqueue, register, row, rows, state, value
from tests.support.terminal import terminal
from tests.support.working import soon

from .conftest import Program
from .test_jobs import bury


@pytest.fixture
def board(dsn: str) -> Iterator[Board]:
    with psycopg.connect(dsn, row_factory=dict_row, prepare_threshold=None) as connection:
        yield Board(Session(), connection)


def cells(app: Top, name: str) -> list[list[str]]:
    table = app.query_one(f"#{name}", DataTable)
    return [[str(cell) for cell in table.get_row_at(at)] for at in range(table.row_count)]


def said(app: Top) -> str:
    return str(app.query_one("#said", Static).render())


async def settled(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    await soon(condition)
    await pilot.pause()


async def test_it_shows_queues_running_jobs_and_failures(
    connection: Connection, board: Board
) -> None:
    dead = enqueue(connection, "charge")
    bury(connection, dead)
    running = enqueue(connection, "[bold]resize[/bold]\x1b[31m")
    claim(connection, register(connection, name="w1"))
    async with Top(board, every=60).run_test() as pilot:
        app = pilot.app
        assert isinstance(app, Top)
        assert cells(app, "queues")[0][:3] == ["default", "0", "1"]
        (job,) = cells(app, "running")
        assert job[:4] == [str(running), "[bold]resize[/bold]\\x1b[31m", "default", "1/20"]
        assert job[5] == "w1"
        (failure,) = cells(app, "failures")
        assert failure[:3] == [str(dead), "t", "default"]
        assert failure[4] == "dead"
        assert "card declined" in failure[6]


async def test_it_looks_again(connection: Connection, board: Board) -> None:
    async with Top(board, every=0.05).run_test() as pilot:
        enqueue(connection, queue="reports")
        app = pilot.app
        assert isinstance(app, Top)
        await settled(pilot, lambda: any(line[0] == "reports" for line in cells(app, "queues")))


async def test_p_pauses_with_a_reason_and_resumes(connection: Connection, board: Board) -> None:
    async with Top(board, every=60).run_test() as pilot:
        await pilot.press("p")
        await pilot.press(*"down", "enter")
        paused = "SELECT paused_at IS NOT NULL FROM pgqueue.queue"
        await settled(pilot, lambda: value(connection, paused))
        found = row(connection, "SELECT pause_reason, paused_by FROM pgqueue.queue")
        assert found["pause_reason"] == "down"
        assert "@" in found["paused_by"]
        app = pilot.app
        assert isinstance(app, Top)
        await settled(pilot, lambda: "paused by" in cells(app, "queues")[0][-1])
        assert said(app) == "default is paused; running jobs finish."
        await pilot.press("p")
        await settled(pilot, lambda: not value(connection, paused))
    recorded = rows(connection, "SELECT action, target, reason FROM pgqueue.audit ORDER BY id")
    target = {"queue": "default"}
    assert recorded == [
        {"action": "pause_queue", "target": target, "reason": "down"},
        {"action": "resume_queue", "target": target, "reason": None},
    ]


async def test_escape_pauses_nothing(connection: Connection, board: Board) -> None:
    async with Top(board, every=60).run_test() as pilot:
        await pilot.press("p", "x", "escape")
        await pilot.pause()
        assert value(connection, "SELECT paused_at FROM pgqueue.queue") is None


async def test_r_retries_the_job_under_the_cursor(connection: Connection, board: Board) -> None:
    first, second = enqueue(connection), enqueue(connection)
    bury(connection, first)
    bury(connection, second)
    async with Top(board, every=60).run_test() as pilot:
        app = pilot.app
        assert isinstance(app, Top)
        app.query_one("#failures", DataTable).focus()
        await pilot.press("down", "R")
        await settled(pilot, lambda: state(connection, first) == "queued")
        assert state(connection, second) == "dead"
        await settled(pilot, lambda: said(app) == f"#{first} runs again.")
    recorded = row(connection, "SELECT action, target, jobs FROM pgqueue.audit")
    assert recorded == {"action": "retry", "target": {"ids": [first]}, "jobs": 1}


async def test_slash_filters(connection: Connection, board: Board) -> None:
    enqueue(connection, queue="mail")
    async with Top(board, every=60).run_test() as pilot:
        app = pilot.app
        assert isinstance(app, Top)
        assert [line[0] for line in cells(app, "queues")] == ["default", "mail"]
        await pilot.press("slash", *"MAI", "enter")
        await settled(pilot, lambda: [line[0] for line in cells(app, "queues")] == ["mail"])
        await pilot.press("slash", "enter")
        await settled(pilot, lambda: len(cells(app, "queues")) == 2)


async def test_a_database_that_goes_away_is_said(connection: Connection, board: Board) -> None:
    async with Top(board, every=0.05).run_test() as pilot:
        app = pilot.app
        assert isinstance(app, Top)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        await settled(pilot, lambda: said(app).startswith("no look: "))
        await pilot.press("q")
    assert pilot.app.return_code == 0


def test_on_a_real_terminal(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="reports")
    with terminal(program.command("top", "--every", "200ms"), program.environment) as screen:
        screen.until("reports")
        screen.type("q")
        assert screen.end() == 0
    assert "\x1b[?1049l" in screen.seen


def test_control_c_ends_it(program: Program, connection: Connection) -> None:
    with terminal(program.command("top"), program.environment) as screen:
        screen.until("default")
        screen.type("\x03")
        assert screen.end() == 0
    assert "\x1b[?1049l" in screen.seen


def test_without_a_terminal(program: Program) -> None:
    ran = program("top")
    assert ran.code == 2
    assert "pgqueue info --watch" in ran.err
    assert program("top", "--json").code == 2


def test_the_extra_is_named_when_it_is_missing(program: Program) -> None:
    without = (
        "import importlib.util as u; found = u.find_spec;"
        "u.find_spec = lambda *names: None if names[0] == 'textual' else found(*names);"
        "from pgqueue.cli.main import main; main(['top'], 'pgqueue')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", without],
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert 'pip install "pgqueue[top]"' in ran.stderr


def test_nothing_of_textual_is_imported_for_other_commands(program: Program) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pgqueue", "top", "--help"],
        env=program.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "textual" not in done.stderr
