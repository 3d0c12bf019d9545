"""`pgqueue dev` as people and scripts use it: a server that outlives the command."""

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgqueue.cli import dev as dev_module
from pgqueue.cli.dev import dev, usual_directory
from pgqueue.embedded import EmbeddedServer, EmbeddedServerError

Run = Callable[..., Result]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the server's user can reach (pytest's own is closed to it under root)."""
    path = Path(tempfile.mkdtemp(prefix="pgqueue-place-", dir="/tmp"))
    if os.geteuid() == 0:
        path.chmod(0o711)
    yield path
    with contextlib.suppress(EmbeddedServerError):
        EmbeddedServer(path / "data", detached=True).delete()
    shutil.rmtree(path)


@pytest.fixture
def run(place: Path) -> Run:
    """Runs a subcommand on the server in `place`."""

    def run(command: str, *arguments: str, answer: str = "") -> Result:
        line = [command, "--data", str(place / "data"), *arguments]
        return CliRunner().invoke(dev, line, input=answer, catch_exceptions=False)

    return run


def exported_url(result: Result) -> str:
    match = re.fullmatch(r"export DATABASE_URL='([^']+)'\n", result.stdout)
    assert match, result.stdout
    return match[1]


def test_a_server_from_start_to_reset(run: Run, place: Path) -> None:
    assert run("status").exit_code == 3

    started = run("start")
    url = exported_url(started)
    assert "is running (process" in started.stderr
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept ()")
    assert run("url").stdout == f"{url}\n"
    assert "was running already" in run("start").stderr

    status = run("status")
    assert status.exit_code == 0
    assert status.stdout.startswith("running    PostgreSQL ")
    assert str(place / "data") in status.stdout

    assert "The data stays" in run("stop").stderr
    assert run("stop").exit_code == 0
    stopped = run("status")
    assert (stopped.exit_code, stopped.stdout[:11]) == (3, "not running")

    assert exported_url(run("start")) == url
    with psycopg.connect(url) as connection:
        connection.execute("SELECT FROM kept")
    refused = run("reset", answer="n\n")
    assert refused.exit_code == 1
    with psycopg.connect(url):
        pass
    assert run("reset", answer="y\n").exit_code == 0
    assert not (place / "data").exists()
    assert "nothing to delete" in run("reset", "--yes").stderr


def test_tcp_has_a_password_that_status_does_not_show(run: Run) -> None:
    url = exported_url(run("start", "--tcp"))
    match = re.fullmatch(r"postgresql://postgres:(.+)@127\.0\.0\.1:\d+/postgres", url)
    assert match
    status = run("status")
    assert match[1] not in status.stdout
    assert ":***@127.0.0.1" in status.stdout
    assert run("url").stdout == f"{url}\n"
    assert exported_url(run("start")) == url


@pytest.mark.parametrize("command", ["url", "psql"])
def test_without_a_server_the_error_says_how_to_start_one(run: Run, command: str) -> None:
    result = run(command)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Hint: pgqueue dev start" in result.stderr


def test_psql_is_run_and_says_its_exit_code(run: Run, place: Path) -> None:
    run("start")
    program = "from pgqueue.cli.dev import dev; dev()"
    command = [sys.executable, "-c", program, "psql", "--data", str(place / "data"), "--"]
    done = subprocess.run(
        [*command, "-Atc", "SELECT 6 * 7"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    failed = subprocess.run([*command, "-c", "nonsense"], capture_output=True, check=False)
    assert failed.returncode == 1


def test_without_psql_the_error_says_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("start")
    monkeypatch.setattr(dev_module.shutil, "which", lambda *_, **__: None)
    result = run("psql")
    assert result.exit_code == 1
    assert "postgresql-client" in result.stderr


def test_errors_of_the_driver_are_told_without_a_traceback(run: Run, place: Path) -> None:
    (place / "data").mkdir()
    (place / "data" / "letter").write_text("dear")
    for result in (run("start"), run("start", "--pg", "99")):
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert "Hint: " in result.stderr
    assert "nothing to delete" in run("reset", "--yes").stderr
    assert (place / "data" / "letter").exists()


def test_whoever_only_looks_at_it_is_told_how_to_use_it(run: Run, place: Path) -> None:
    assert "in your shell" not in run("start").stderr
    master, slave = pty.openpty()
    program = "from pgqueue.cli.dev import dev; dev()"
    done = subprocess.run(
        [sys.executable, "-c", program, "start", "--data", str(place / "data")],
        stdout=slave,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    os.close(slave)
    os.close(master)
    command = f"pgqueue dev start --data {place / 'data'}"
    assert done.stderr.splitlines()[-1] == f'To set it in your shell, run: eval "$({command})"'


def test_the_usual_directory_honours_xdg_data_home(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(place / "xdg"))
    assert usual_directory(18) == place / "xdg" / "pgqueue" / "dev" / "18"
    monkeypatch.setenv("XDG_DATA_HOME", "relative/paths/are/invalid")
    monkeypatch.setenv("HOME", str(place))
    assert usual_directory(17) == place / ".local" / "share" / "pgqueue" / "dev" / "17"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server is another user's")
def test_a_closed_home_of_root_is_avoided(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.chmod(0o700)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(place))
    assert usual_directory(18) == Path("/var/lib/pgqueue/dev/18")
