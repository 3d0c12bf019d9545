"""`pgqueue dashboard`: where it listens, whom it asks, and what it says when it cannot."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from .conftest import Program

PASSWORD = {"PGQUEUE_DASHBOARD_USER": "ann", "PGQUEUE_DASHBOARD_PASSWORD": "correct horse"}


@contextmanager
def running(program: Program, *flags: str, **environment: str) -> Iterator[str]:
    """The URL that a started dashboard prints; it ends by Ctrl-C, with exit code 0."""
    program.environment |= environment
    started: subprocess.Popen[str] = program.start("dashboard", "--port", "0", *flags)
    try:
        assert started.stderr is not None
        line = started.stderr.readline()
        assert line.startswith("dashboard of "), line
        url = started.stderr.readline().split()[0]
        yield url
    finally:
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=30)
    assert started.returncode == 0


def test_it_serves_the_database_that_is_named(program: Program) -> None:
    with running(program) as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(url).status_code == 200


def test_a_password_is_asked_for(program: Program) -> None:
    with running(program, **PASSWORD, PGQUEUE_DASHBOARD_ROLE="viewer") as url:
        assert httpx.get(url).status_code == 401
        answer = httpx.get(url, auth=("ann", "correct horse"))
        assert ">viewer</span>" in answer.text


def test_a_password_may_stand_in_a_file(program: Program, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("battery staple\n")
    with running(program, PGQUEUE_DASHBOARD_PASSWORD_FILE=str(secret)) as url:
        assert httpx.get(url, auth=("admin", "battery staple")).status_code == 200


def test_it_is_read_only_and_below_a_path(program: Program) -> None:
    with running(program, "--read-only", "--root-path", "/ops") as url:
        assert url.endswith("/ops/")
        assert "reads only" in httpx.get(url).text


def test_strangers_are_not_let_in_by_mistake(program: Program) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "shop.example"):
        ran = program("dashboard", "--host", host)
        assert ran.code == 2
        assert f"{host} can be reached by others" in ran.err
        assert "PGQUEUE_DASHBOARD_PASSWORD" in ran.err


def test_a_host_that_is_allowed_is_answered(program: Program) -> None:
    with running(program, "--allow-host", "shop.example") as url:
        assert httpx.get(url, headers={"host": "shop.example"}).status_code == 200
        assert httpx.get(url, headers={"host": "evil.example"}).status_code == 400


def test_a_port_that_is_taken(program: Program) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = program("dashboard", "--port", str(port))
    assert ran.code == 1
    assert f"cannot listen on 127.0.0.1, port {port}." in ran.err
    assert f"pgqueue dashboard --port {port + 1}" in ran.err


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        (["--auth-header", "X-User"], {}, "--auth-header and --trusted-proxy go together."),
        (["--trusted-proxy", "10.0.0.0/8"], {}, "--auth-header and --trusted-proxy go together."),
        (["--auth-header", "X-User", "--trusted-proxy", "ten"], {}, "--trusted-proxy ten is no"),
        (["--root-path", "ops"], {}, "--root-path begins with a slash."),
        ([], {"PGQUEUE_DASHBOARD_PASSWORD": "short"}, "fewer than 8 characters"),
        ([], {"PGQUEUE_DASHBOARD_PASSWORD_FILE": "/nowhere"}, "cannot read PGQUEUE_DASHBOARD_PASS"),
        ([], {"PGQUEUE_DASHBOARD_ROLE": "root"}, "PGQUEUE_DASHBOARD_ROLE is viewer, operator or a"),
        (["--port", "70000"], {}, "70000 is not in the range"),
    ],
)
def test_what_cannot_work_is_said(
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    environment: dict[str, str],
    said: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ran = program("dashboard", *flags)
    assert ran.code == 2
    assert said in ran.err
    assert "correct horse" not in ran.err


def test_a_database_without_the_schema_is_said_at_once(
    elsewhere: Program, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DSN", empty_dsn)
    ran = elsewhere("dashboard", "--port", "0")
    assert ran.code == 3
    assert "pgqueue migrate" in ran.err


def test_without_the_extra_it_says_what_to_install(program: Program, tmp_path: Path) -> None:
    """A finder that has no Starlette: what a machine without the extra is like."""
    program.write(
        "sitecustomize.py",
        "import importlib.util as u, builtins\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'starlette' else find(name, *more)\n",
    )
    ran = program.alone("dashboard", PYTHONPATH=str(program.folder))
    assert ran.code == 1
    assert 'pip install "pgqueue[dashboard]"' in ran.err
