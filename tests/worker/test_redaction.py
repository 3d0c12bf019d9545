"""A canary in the arguments, through every way out: tables, events, logs and the command line."""

import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from click.testing import CliRunner

from pgqueue import PgQueue
from pgqueue.cli.main import main
from pgqueue.worker.declaring import declarations
from pgqueue.worker.log import observer
from tests.support.jobs import Connection, rows, value, values
from tests.support.working import Events, all_ended, working

from . import redacted_tasks as tasks

CANARY = "canary \"7391-zażółć\"\n'quoted'"
PIECES = re.compile(r"canary|7391-za|quoted|739188|refused-")
TABLES = """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'pgqueue'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition
"""


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[PgQueue]:
    """The application, on the test's database."""
    tasks.app.configure(dsn=dsn)
    yield tasks.app
    await tasks.app.close_async()
    tasks.app.close()


@pytest.fixture
def logs(app: PgQueue) -> dict[str, io.StringIO]:
    """What is logged with arguments, in both styles."""
    streams = {"text": io.StringIO(), "json": io.StringIO()}
    for style, stream in streams.items():
        app.observer(observer(style, level="debug", show_args=True, stream=stream))  # type: ignore[arg-type]
    return streams


@pytest.fixture
def events(app: PgQueue) -> Events:
    return app.observer(Events())  # type: ignore[return-value]  # what goes in comes out


def enqueue_all(app: PgQueue, connection: Connection) -> list[int]:
    told = [name for name in app.tasks if name.startswith("tells") and "password" not in name]
    texts = [app.tasks[name] for name in told if name != "tells_a_number"]
    jobs = [task.enqueue(connection, CANARY) for task in texts]
    jobs.append(tasks.tells_a_number.enqueue(connection, 739188))
    jobs.append(tasks.tells_a_password.enqueue(connection, {"password": CANARY}))
    refused = """
        SELECT pgqueue.enqueue('takes_an_account', '{"account": {"password": "refused-7391-za"}}')
    """
    return [job.id for job in jobs] + [value(connection, refused)]


async def test_nothing_of_it_gets_out(
    app: PgQueue,
    connection: Connection,
    dsn: str,
    events: Events,
    logs: dict[str, io.StringIO],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ids = enqueue_all(app, connection)
    async with working(app, children=1):
        await all_ended(connection)
    for table in values(connection, TABLES):
        found = rows(connection, f"SELECT to_jsonb(t) - 'args' AS row FROM pgqueue.{table} AS t")
        assert not PIECES.search(repr(found)), (table, found)
    assert not PIECES.search(repr(events))
    for log in logs.values():
        assert "•••" in log.getvalue()
        assert not PIECES.search(log.getvalue())
    captured = capfd.readouterr()
    assert not PIECES.search(captured.out + captured.err)
    failures = values(connection, "SELECT message FROM pgqueue.failures ORDER BY job_id, id")
    assert "card ••• was declined" in failures
    assert "{'password': '•••'}" in failures
    reasons = values(connection, "SELECT reason FROM pgqueue.dead_jobs WHERE state = 'cancelled'")
    assert reasons == ["••• was withdrawn"]
    tracebacks = values(connection, "SELECT traceback FROM pgqueue.failures")
    assert any("the card is •••" in traceback for traceback in tracebacks)
    look_at_the_command_line(dsn, ids, monkeypatch)


def look_at_the_command_line(dsn: str, ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DSN", dsn)
    commands: list[list[str]] = [
        ["jobs", "ls", "--args"],
        ["jobs", "ls", "--args", "--json"],
        *(["jobs", "show", str(id)] for id in ids),
        *(["jobs", "show", str(id), "--json"] for id in ids),
        ["cron", "add", "s", "tells", f"card={CANARY}", "--every", "1h", "--json"],
        ["cron", "show", "s"],
        ["cron", "ls", "--json"],
        ["jobs", "retry", str(ids[0])],
        ["jobs", "cancel", "--all", "--yes"],
        ["audit"],
        ["audit", "--json"],
        ["tasks", "ls"],
        ["tasks", "show", "tells", "--json"],
        ["info", "--json"],
    ]
    for command in commands:
        ran = CliRunner().invoke(main, command, prog_name="pgqueue")
        assert ran.exit_code == 0, (command, ran.output)
        assert not PIECES.search(ran.output.replace("redacted_tasks", "")), (command, ran.output)


async def test_what_is_not_declared_is_not_hidden(
    dsn: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: without paths every one of these ways shows it."""
    app = PgQueue(dsn)
    seen: Any = app.observer(Events())
    stream = io.StringIO()
    app.observer(observer("text", level="debug", show_args=True, stream=stream))

    @app.task(max_attempts=1)
    def tells(card: str) -> None:
        raise ValueError(f"card {card} was declined")

    job = tells.enqueue(connection, "7391-za")
    async with working(app):
        await all_ended(connection)
    await app.close_async()
    app.close()
    assert "7391-za" in repr(seen)
    assert "7391-za" in stream.getvalue()
    assert "7391-za" in value(connection, "SELECT traceback FROM pgqueue.failures")
    monkeypatch.setenv("PGQUEUE_DSN", dsn)
    ran = CliRunner().invoke(main, ["jobs", "show", str(job.id)], prog_name="pgqueue")
    assert ran.output.count("7391-za") >= 3


def test_a_text_that_looks_like_an_escape_breaks_no_declaration() -> None:
    app = PgQueue()

    @app.task(redact=["card"])
    def strips(card: str) -> None:
        """Strips \\u0000 and \0 from texts."""

    (declared,) = json.loads(declarations(app))
    assert declared["doc"] == "Strips \\u0000 and  from texts."
    assert declared["redact"] == ["card"]
