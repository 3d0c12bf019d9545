"""What goes on in a terminal: pictures in place, bars on stderr, and a clean end."""

import signal

from tests.support.jobs import Connection, enqueue
from tests.support.terminal import terminal

from .conftest import Program
from .test_bulk import dead_jobs

LEAVES = "\x1b[?1049l"
"""What gives the terminal back as it was."""


def test_info_is_drawn_in_place(program: Program, connection: Connection) -> None:
    command = program.command("info", "--watch", "100ms")
    with terminal(command, program.environment) as screen:
        screen.until("default")
        enqueue(connection, queue="reports")
        screen.until("reports: 1 waiting job and no live worker")
        assert screen.end(signal.SIGINT) == 130
    before, _, after = screen.seen.partition(LEAVES)
    assert "\x1b[?1049h" in before
    assert "\x1b[?25h" in screen.seen, "the cursor is there again"
    assert "reports" in after, "the last picture stays"
    assert "Traceback" not in screen.seen


def test_a_termination_leaves_it_clean_as_well(program: Program) -> None:
    with terminal(program.command("info", "-w"), program.environment) as screen:
        screen.until("default")
        assert screen.end(signal.SIGTERM) == 143
    assert LEAVES in screen.seen


def test_a_bar_while_many_jobs_are_retried(program: Program, connection: Connection) -> None:
    dead_jobs(connection, 3)
    command = program.command("jobs", "retry", "--all", "--yes")
    with terminal(command, program.environment) as screen:
        assert screen.end() == 0
    assert "retry" in screen.seen
    assert "3/3" in screen.seen
    assert "Retried 3." in screen.seen


def test_no_bar_without_a_terminal(program: Program, connection: Connection) -> None:
    dead_jobs(connection, 3)
    ran = program.alone("jobs", "retry", "--all", "--yes")
    assert (ran.out, ran.err) == ("Retried 3.   audit #1\n", "3 dead jobs match.\n")
