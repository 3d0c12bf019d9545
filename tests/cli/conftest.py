"""Runs the program as people do: in a directory of its own, with one database named."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pgqueue.cli.main import main

APP = '''
import time
from pgqueue import Cancel, PgQueue

app = PgQueue()

@app.task
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b

@app.task(queue="mail", max_attempts=1)
def fail(text: str = "card declined") -> None:
    raise ValueError(text)

@app.task(queue="mail", timeout=60, aliases=["old_greet"])
async def greet(name: str, *, times: int = 1) -> str:
    return name * times

@app.task
def stop() -> None:
    raise Cancel("no longer wanted")
'''
ISOLATED = ("PGQUEUE_", "DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE")


@dataclass
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


@dataclass
class Program:
    """Calls `pgqueue` in `folder`, with the database in PGQUEUE_DSN."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, answer: str = "") -> Ran:
        """In this process, which is quick; not for commands that import an app or run workers."""
        result = CliRunner().invoke(main, list(arguments), input=answer, prog_name="pgqueue")
        return Ran(result.exit_code, result.stdout, result.stderr)

    def alone(self, *arguments: str, **environment: str) -> Ran:
        """As a process of its own."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """As a process that goes on."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pgqueue", *arguments]

    def write(self, name: str, text: str = APP) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program without any database named."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in list(os.environ):
        if name.startswith(ISOLATED):
            monkeypatch.delenv(name)
    return Program(folder, dict(os.environ))


@pytest.fixture
def program(elsewhere: Program, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program with the test's database."""
    monkeypatch.setenv("PGQUEUE_DSN", dsn)
    elsewhere.environment["PGQUEUE_DSN"] = dsn
    return elsewhere


@pytest.fixture
def shop(program: Program) -> Program:
    """The same, in a project with an app in jobs.py."""
    program.write("jobs.py")
    return program
