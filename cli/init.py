"""`pgqueue init`: a project to begin with, of which every file works as it is written."""

from __future__ import annotations

from pathlib import Path

import click

from .environment import ConfigurationFile
from .errors import USAGE, CommandError
from .output import print_json
from .session import Session

JOBS = '''"""The jobs of this project."""

import os

from pgqueue import PgQueue

app = PgQueue(os.environ.get("DATABASE_URL"))


@app.task
def hello(name: str, *, times: int = 1) -> str:
    """Greet somebody."""
    return f"Hello {name}! " * times
'''
TEST_JOBS = '''"""Tests of the jobs; the second one needs a migrated database."""

import json
import os

import psycopg

from jobs import hello


def test_what_the_job_does() -> None:
    assert hello("Ada", times=2) == "Hello Ada! Hello Ada! "


def test_a_job_exists_only_with_its_transaction() -> None:
    with psycopg.connect(os.environ.get("DATABASE_URL", "")) as connection:
        job = hello.enqueue(connection, "Ada")
        assert json.loads(job.get(connection).args) == {"name": "Ada"}
        connection.rollback()
        found = connection.execute("SELECT FROM pgqueue.jobs WHERE id = %s", [job.id])
        assert found.rowcount == 0
'''
TABLE = '[tool.pgqueue]\napp = "jobs:app"\n'
NEXT = (
    'eval "$(pgqueue dev start)"     # or: export DATABASE_URL=postgresql://…',
    "pgqueue migrate",
    "pgqueue enqueue hello name=Ada",
    "pgqueue worker --once",
)


@click.command()
@click.pass_obj
def init(session: Session) -> None:
    """Begin a project here.

    It writes jobs.py, test_jobs.py, and [tool.pgqueue] in pyproject.toml.

    Files that are there already are not touched: then nothing is written at all.
    """
    _refuse_to_overwrite()
    project = Path("pyproject.toml")
    before = project.read_text(encoding="utf-8") if project.exists() else ""
    Path("jobs.py").write_text(JOBS, encoding="utf-8")
    Path("test_jobs.py").write_text(TEST_JOBS, encoding="utf-8")
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    project.write_text(before + gap + TABLE, encoding="utf-8")
    written = ["jobs.py", "test_jobs.py", "pyproject.toml"]
    if session.as_json:
        print_json({"written": written, "next": list(NEXT)})
        return
    for name in written:
        click.echo(f"wrote {name}")
    session.note("Next:")
    for command in NEXT:
        session.note(f"  {command}")


def _refuse_to_overwrite() -> None:
    for name in ("jobs.py", "test_jobs.py"):
        if Path(name).exists():
            raise CommandError(
                f"{name} is there already; nothing was written.",
                hint="a new project wants a directory of its own: mkdir shop && cd shop",
                exit_code=USAGE,
            )
    project = Path("pyproject.toml")
    if project.exists() and ConfigurationFile(None).path == Path.cwd() / project:
        raise CommandError(
            "pyproject.toml has [tool.pgqueue] already; nothing was written.",
            hint="see what it says: pgqueue config",
            exit_code=USAGE,
        )
