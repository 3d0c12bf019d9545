"""Whatever the database holds, the terminal stays as it is, and JSON stays JSON."""

import json
import unicodedata

import pytest
from psycopg.types.json import Jsonb

from pgqueue.cli.printable import printable
from tests.support.jobs import Connection, enqueue, expire, register

from .conftest import Program
from .test_jobs import bury

HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "bell\x07 back\x08space",
    "line\nbreak\r\ttab",
    "right\u202eto\u2066left\u200f",
    "zero\u200bwidth\ufeff",
    "c1\x9b31m",
    "delete\x7f",
    "tag\U000e0041",
    "[bold]markup[/bold]",
    "ü 漢字 🎉",
)


def is_harmless(text: str) -> bool:
    return all(
        character == "\n"
        or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        for character in text
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_active_and_invisible_characters_are_written_out(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown


def test_what_can_be_seen_stays_as_it_is() -> None:
    assert printable("ü 漢字 🎉 [bold]") == "ü 漢字 🎉 [bold]"
    assert printable("\x1b[31m\u202e\U000e0041\n") == r"\x1b[31m\u202e\U000e0041\n"
    assert printable("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"


@pytest.mark.parametrize("name", HOSTILE)
def test_every_view_of_a_hostile_job(program: Program, connection: Connection, name: str) -> None:
    id = enqueue(
        connection,
        name,
        queue=name,
        args={name: name},
        tags=[name],
        meta={name: [name]},
    )
    bury(connection, id, f"{name}: {name}")
    enqueue(connection, name, queue=name)
    expire(connection, register(connection, name=name, host=name, queues=[name], tasks=[name]))
    connection.execute("SELECT pgqueue.pause_queue(%s, %s, %s)", [name, name, name])
    connection.execute(
        "SELECT pgqueue.put_schedule(%s, %s, %s, %s, timezone => %s, queue => %s)",
        [name, name, Jsonb({name: name}), name, name, name],
    )
    connection.execute("SELECT pgqueue.pause_schedule(%s, %s, %s)", [name, name, name])
    connection.execute("UPDATE pgqueue.schedule SET error = %s", [name])
    for line in (
        ["cron", "ls"],
        ["cron", "show", name],
        ["cron", "show", name + "x"],
        ["cron", "next", name],
        ["cron", "add", name, name, "--every", "5s"],
        ["cron", "run", name],
        ["cron", "pause", name, "--reason", name],
        ["cron", "resume", name],
        ["jobs", "ls", "--args"],
        ["jobs", "show", str(id)],
        ["jobs", "wait", str(id)],
        ["queues", "ls"],
        ["queues", "show", name],
        ["queues", "resume", name],
        ["queues", "pause", name, "--reason", name],
        ["workers", "ls"],
        ["workers", "quiet", name],
        ["info"],
        ["jobs", "retry", "--task", name, "--queue", name],
        ["jobs", "cancel", "--error", name, "--where", f"args.x={name}"],
        ["queues", "show", name + "x"],
    ):
        for flags in ([], ["-q"], ["--json"]):
            ran = program(*line, *flags)
            assert is_harmless(ran.out), (line, flags)
            assert is_harmless(ran.err), (line, flags)
            if flags == ["--json"] and ran.out:
                json.loads(ran.out)
    shown = program("jobs", "show", str(id), "--json").json
    assert (shown["task"], shown["args"], shown["tags"]) == (name, {name: name}, [name])


def test_documents_that_python_would_not_read(program: Program, connection: Connection) -> None:
    deep = "[" * 5000 + "]" * 5000
    for args in ('{"a": 1e5000}', f'{{"a": {deep}}}'):
        connection.execute(
            "INSERT INTO pgqueue.job (task, args, ready_xid) VALUES ('t', %s, 1)", [args]
        )
    assert program("jobs", "ls", "--args").code == 0
    ran = program("jobs", "ls", "--args", "--json")
    assert ran.code == 0
    assert deep in ran.out
    assert "Infinity" not in ran.out
