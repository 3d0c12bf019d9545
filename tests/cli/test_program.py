"""The program as a whole: its help, its global flags, its start, its ends."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest

from pgqueue.cli.main import COMMANDS, main
from tests.support.jobs import Connection, enqueue
from tests.support.waiting import eventually

from .conftest import Program

HEAVY = ("sqlalchemy", "alembic", "rich", "psycopg", "msgspec", "asyncio", "pgqueue.application")


def imported_by(program: Program, *arguments: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "pgqueue", *arguments]
    done = subprocess.run(
        command, env=program.environment, capture_output=True, text=True, check=True
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["--version"]])
def test_help_and_version_import_nothing_heavy(elsewhere: Program, arguments: list[str]) -> None:
    assert imported_by(elsewhere, *arguments).isdisjoint(HEAVY)


def test_commands_on_the_database_import_no_migrations(program: Program) -> None:
    assert imported_by(program, "jobs", "ls").isdisjoint({"sqlalchemy", "alembic"})


def test_help_lists_the_commands_under_headings(elsewhere: Program) -> None:
    text = elsewhere("--help").out
    places = [text.index(f"\n{heading}:") for heading in COMMANDS]
    assert places == sorted(places)
    assert text == elsewhere("-h").out
    assert re.search(r"Act:\n  enqueue  Enqueue a job\.", text)


def test_every_command_has_help_and_the_summary_that_is_listed(elsewhere: Program) -> None:
    context = click.Context(main, info_name="pgqueue")
    for section in COMMANDS.values():
        for name, summary in section.items():
            command = main.get_command(context, name)
            if command is None:
                continue
            assert elsewhere(name, "--help").code == 0
            own = (command.help or "").strip().split("\n\n")[0].replace("\n", " ")
            assert own.startswith(summary.rstrip(".")), name


@pytest.mark.parametrize(
    "arguments",
    [["--json", "version"], ["version", "--json"]],
)
def test_global_flags_stand_before_or_after_the_command(
    elsewhere: Program, arguments: list[str]
) -> None:
    assert set(elsewhere(*arguments).json) == {"pgqueue", "python"}


def test_global_flags_stand_between_group_and_command(program: Program, dsn: str) -> None:
    for line in (
        ["--json", "jobs", "ls"],
        ["jobs", "--json", "ls"],
        ["jobs", "ls", "--json"],
        ["jobs", "-d", dsn, "ls", "--json"],
    ):
        assert program(*line).json == {"items": [], "next": None}


def test_the_last_word_counts(program: Program, dsn: str) -> None:
    assert program("-d", "host=nowhere.invalid", "jobs", "ls", "-d", dsn, "--json").code == 0


def test_version_after_a_command_too(elsewhere: Program) -> None:
    assert elsewhere("jobs", "--version").out == elsewhere("--version").out
    assert elsewhere("version", "-q").out.strip() in elsewhere("--version").out


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (["vorker"], 'there is no command "vorker"', "did you mean worker?"),
        (["xyz"], 'there is no command "xyz"', "pgqueue --help lists all"),
        (["jobs", "ls", "--limit", "0"], "invalid value for '--limit'", "pgqueue jobs ls --help"),
        (["jobs", "ls", "--nonsense"], "no such option", "pgqueue jobs ls --help"),
        (["jobs", "ls", "--state", "ded"], "'ded' is not one of", "pgqueue jobs ls --help"),
        (["jobs", "ls", "--since", "soon"], '"soon" is not a time', "pgqueue jobs ls --help"),
        (["jobs", "ls", "--where", "x"], '"x" is not a condition', "pgqueue jobs ls --help"),
        (["jobs", "wait", "1", "--timeout", "1x"], '"1x" is not a duration', "wait --help"),
        (["jobs", "show", "seven"], "'seven' is not a valid integer", "jobs show --help"),
    ],
)
def test_wrong_usage_says_what_and_ends_with_2(
    elsewhere: Program, arguments: list[str], what: str, hint: str
) -> None:
    ran = elsewhere(*arguments)
    assert ran.code == 2
    assert what.lower() in ran.err.lower()
    assert hint in ran.err.splitlines()[-1]
    assert ran.out == ""


def test_completion_is_clicks_own(elsewhere: Program) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_PGQUEUE_COMPLETE" in elsewhere("completion", shell).out
    assert elsewhere("completion", "tcsh").code == 2
    ran = elsewhere.alone(
        _PGQUEUE_COMPLETE="bash_complete", COMP_WORDS="pgqueue jo", COMP_CWORD="1"
    )
    assert ran.out == "plain,jobs\n"


def test_the_installed_script_is_the_same_program(elsewhere: Program) -> None:
    script = Path(sys.executable).parent / "pgqueue"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == elsewhere.alone("--version").out


def test_a_reader_that_leaves_is_no_error(program: Program, connection: Connection) -> None:
    for _ in range(3):
        enqueue(connection)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        program.command("jobs", "ls"),
        env=program.environment,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_signals_end_a_command(
    program: Program, connection: Connection, number: signal.Signals, code: int
) -> None:
    id = enqueue(connection)
    running = program.start("jobs", "wait", str(id))
    eventually(
        lambda: (
            connection.execute(
                "SELECT FROM pg_stat_activity WHERE application_name = 'pgqueue wait' "
                "AND datname = current_database() AND query ILIKE '%jobs%' AND state = 'idle'"
            ).rowcount
        )
    )
    running.send_signal(number)
    _, err = running.communicate(timeout=20)
    assert running.returncode == code, err
    assert "Traceback" not in err


def on_a_terminal(program: Program, *arguments: str, **environment: str) -> str:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    running = subprocess.Popen(
        program.command(*arguments),
        env=program.environment | {"TERM": "xterm"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    assert running.wait(timeout=20) == 0
    return b"".join(parts).decode()


def test_colours_are_for_terminals_and_can_be_refused(
    program: Program, connection: Connection
) -> None:
    id = enqueue(connection)
    connection.execute("SELECT pgqueue.cancel(%s)", [id])
    show = ["jobs", "show", str(id)]
    assert "\x1b[" in on_a_terminal(program, *show)
    assert "\x1b[" in on_a_terminal(program, "jobs", "ls")
    assert "\x1b[" not in on_a_terminal(program, *show, NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(program, "jobs", "ls", NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(program, *show, "--no-color")
    assert "\x1b[" not in program.alone(*show).out
    assert "\x1b[" not in program.alone("jobs", "ls").out
    assert "\x1b[" in program.alone(*show, "--color").out
    assert "\x1b[" in program.alone("jobs", "ls", "--color").out


def test_a_narrow_terminal_cuts_only_the_last_column(
    program: Program, connection: Connection
) -> None:
    id = enqueue(connection, "a_task_with_quite_a_long_name", queue="a_queue_with_a_long_name")
    connection.execute("SELECT pgqueue.cancel(%s, %s)", [id, "a reason that goes on " * 9])
    (line,) = on_a_terminal(program, "jobs", "ls", "--no-color").splitlines()[1:]
    words = line.split()
    assert words[:3] == [str(id), "a_task_with_quite_a_long_name", "a_queue_with_a_long_name"]
    assert line.endswith("…")
    assert ("a reason that goes on " * 9).strip() in program.alone("jobs", "ls").out


def test_a_group_alone_shows_its_help(elsewhere: Program) -> None:
    for line in ([], ["jobs"]):
        ran = elsewhere(*line)
        assert (ran.code, ran.out) == (2, "")
        assert "Usage: pgqueue" in ran.err


def test_what_is_not_utf_8_is_refused(program: Program) -> None:
    done = subprocess.run(
        [*program.command("jobs", "ls", "--task"), b"\xff"],
        env=program.environment,
        capture_output=True,
    )
    assert done.returncode == 2
    assert b"is not valid UTF-8" in done.stderr
