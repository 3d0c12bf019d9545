"""`pgqueue tasks` without an app: what workers have declared."""

from typing import Any

from psycopg.types.json import Jsonb

from tests.database.test_declarations import declared
from tests.database.test_statistics import COUNT, counted, histogram
from tests.support.jobs import Connection, register

from .conftest import Program


def declare(connection: Connection, *tasks: dict[str, Any]) -> None:
    connection.execute("SELECT pgqueue.declare_tasks(%s)", [Jsonb(list(tasks))])


def test_the_list(program: Program, connection: Connection) -> None:
    assert "No worker has declared a task yet" in program("tasks", "ls").err
    declare(connection, declared("add"), declared("t", timeout=None, aliases=["old"]))
    register(connection)
    many = counted(succeeded=3, dead=1, runs=histogram(*[0.1] * 4))
    connection.execute(COUNT, [Jsonb([many])])
    lines = [line.split() for line in program("tasks", "ls").out.splitlines()]
    assert lines[1] == ["add", "default", "20", "1m", "0", "0", "–", "–", "add()"]
    assert lines[2][:7] == ["t", "default", "20", "–", "1", "4", "125ms"]
    assert lines[2][7:] == ["25.0%", "t()"]
    assert program("tasks", "ls", "-q").out.split() == ["add", "t"]
    item = program("tasks", "ls", "--json").json["items"][1]
    assert (item["name"], item["workers"], item["runs_24h"], item["errors_24h"]) == ("t", 1, 4, 1)
    assert "schema" not in item


def test_one_of_them(program: Program, connection: Connection) -> None:
    declare(connection, declared("new", aliases=["old"], redact=["card"], doc="Does\nit."))
    shown = program("tasks", "show", "old").out
    assert shown.splitlines()[:2] == ["new()", "  Does"]
    assert "redacted card" in shown
    assert program("tasks", "show", "new", "--schema").json == {"type": "object"}
    assert program("tasks", "show", "new", "--json").json["schema"] == {"type": "object"}
    ran = program("tasks", "show", "nwe")
    assert (ran.code, "Did you mean new?" in ran.err) == (5, True)


def test_an_app_goes_first(shop: Program, connection: Connection) -> None:
    declare(connection, declared("other"))
    assert "add(a: int, b: int = 1)" in shop.alone("tasks", "ls").out
