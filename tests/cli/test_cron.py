"""Schedules from the command line."""

from datetime import UTC, datetime

import pytest
from psycopg.types.json import Jsonb

from tests.support.jobs import Connection, register, row, value, values

from .conftest import Program

PUT = "SELECT pgqueue.put_schedule(%s, %s, cron => %s)"


def kinds(program: Program) -> list[tuple[str, str | None]]:
    warnings = program("info", "--json").json["warnings"]
    return [(item["kind"], item["task"]) for item in warnings]


@pytest.mark.parametrize(
    ("expression", "zone", "first", "words"),
    [
        ("0 9 * * 1-5", "America/New_York", " 09:00:00 -0", "At 09:00 on Monday through Friday"),
        ("@daily", "UTC", " 00:00:00 +0000", "At 00:00 every day"),
        ("30 0 12 1 1 *", "Asia/Kolkata", " 12:00:30 +0530", "on January 1"),
    ],
)
def test_a_preview_needs_no_database(
    elsewhere: Program,
    monkeypatch: pytest.MonkeyPatch,
    expression: str,
    zone: str,
    first: str,
    words: str,
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    ran = elsewhere("cron", "next", expression, "--tz", zone, "-n", "3")
    heading, *lines = ran.out.splitlines()
    assert (ran.code, heading.split()) == (0, [zone, "Europe/Berlin"])
    assert len(lines) == 3
    assert first in lines[0]
    assert " in " in lines[0]
    assert words in ran.err
    found = elsewhere("cron", "next", expression, "--tz", zone, "-n", "2", "--json").json
    assert (found["timezone"], words in found["words"]) == (zone, True)
    at, there = (datetime.fromisoformat(found["next"][0][key]) for key in ("at", "there"))
    assert at == there
    assert at > datetime.now(UTC)
    assert len(elsewhere("cron", "next", expression, "-q").out.splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["0 0 30 2 *"], "its day-of-month cannot be"),
        (["@hourli"], "knows no word"),
        (["@daily", "--tz", "Europe/Berln"], "Did you mean Europe/Berlin?"),
        (["nightly", "--tz", "UTC"], "--tz goes with an expression"),
    ],
)
def test_a_preview_of_what_cannot_be(elsewhere: Program, arguments: list[str], why: str) -> None:
    ran = elsewhere("cron", "next", *arguments)
    assert ran.code == 2
    assert why in ran.err


def test_what_is_listed_and_shown(program: Program, connection: Connection) -> None:
    assert program("cron", "ls").err == "There are no schedules.\n"
    connection.execute(PUT, ["nightly", "report", "30 2 * * *"])
    register(connection, tasks=["report"])
    connection.execute("UPDATE pgqueue.schedule SET next_at = now() + interval '1 hour'")
    line = program("cron", "ls").out.splitlines()[1]
    for part in ("nightly", "report", "30 2 * * *", "UTC", "active", "in 1h", "At 02:30 every day"):
        assert part in line or (part == "in 1h" and "in 59m" in line)
    assert program("cron", "ls", "-q").out == "nightly\n"
    shown = program("cron", "show", "nightly").out
    assert shown.startswith("nightly   active   made at run time")
    assert "missed latest   overlap allow" in shown
    found = program("info", "--json").json
    assert (found["schedules"], found["next_tick"]["schedule"]) == (1, "nightly")
    assert 3500 < found["next_tick"]["in_seconds"] <= 3600
    assert "next of 1 schedule: nightly in 59m" in program("info").out.replace("1h", "59m 59s")
    preview = program("cron", "next", "nightly", "-n", "1")
    assert " 02:30:00 +0000" in preview.out


def test_pause_and_resume(program: Program, connection: Connection) -> None:
    connection.execute(PUT, ["nightly", "report", "@daily"])
    ran = program("cron", "pause", "nightly", "--reason", "audit")
    assert (ran.code, ran.out) == (0, "nightly paused.\n")
    assert "Undo: pgqueue cron resume nightly" in ran.err
    assert "audit" in program("cron", "show", "nightly").out
    assert program("cron", "resume", "nightly").out == "nightly resumed.\n"
    assert program("cron", "resume", "nightly").out == "nightly was not paused.\n"


def test_run_now(program: Program, connection: Connection) -> None:
    connection.execute(PUT, ["nightly", "report", "@daily"])
    assert program("cron", "run", "nightly").out == "report #1 → default\n"
    assert program("cron", "run", "nightly", "-q").out == "2\n"
    once = "SELECT pgqueue.put_schedule('once', 'sync', every => '1 h', flow => %s)"
    connection.execute(once, [Jsonb({"unique": {"key": "k"}})])
    made, kept_out = (program("cron", "run", "once", "--json").json for _ in range(2))
    assert (made["created"], kept_out) == (True, made | {"created": False})
    told = f"sync #{made['id']} has its unique key; no new job was made\n"
    assert program("cron", "run", "once").out == told
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs WHERE task = 'report'") == 2


def test_remove(program: Program, connection: Connection) -> None:
    connection.execute(PUT, ["nightly", "report", "@daily"])
    declared = "SELECT pgqueue.put_schedule('coded', 't', every => '1 h', declared => true)"
    connection.execute(declared)
    ran = program("cron", "rm", "coded", answer="n\n")
    assert (ran.code, "pause it instead" in ran.err) == (1, True)
    assert program("cron", "rm", "nightly", "--yes").out == "nightly removed.\n"
    assert values(connection, "SELECT name FROM pgqueue.schedules") == ["coded"]


@pytest.mark.parametrize("verb", ["show", "run", "pause", "resume", "rm", "next"])
def test_an_unknown_schedule(program: Program, connection: Connection, verb: str) -> None:
    connection.execute(PUT, ["nightly", "report", "@daily"])
    ran = program("cron", verb, "nightli")
    assert (ran.code, 'no schedule "nightli". Did you mean nightly?' in ran.err) == (5, True)


def test_add(shop: Program, connection: Connection) -> None:
    flags = ["--cron", "0 9 * * 1-5", "--tz", "Europe/Berlin", "--missed", "all"]
    ran = shop.alone("cron", "add", "mornings", "add", "a=3", *flags, "--most-missed", "3")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("mornings: add   0 9 * * 1-5   At 09:00 on Monday through Friday")
    assert "No live worker knows add" in ran.err
    found = row(connection, "SELECT * FROM pgqueue.schedules")
    assert (found["args"], found["timezone"], found["missed"]) == ({"a": 3}, "Europe/Berlin", "all")
    ran = shop.alone("cron", "add", "once", "add", "a=1", "--at", "now+10m", "--json")
    assert ran.json["at"] > ran.json["created_at"]
    ran = shop.alone("cron", "add", "bad", "add", "a=x", "--every", "5m")
    assert (ran.code, "argument a: expected int, got str" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ([], "one of cron, every and at, got none of them"),
        (["--every", "5m", "--cron", "@daily"], "got cron and every"),
        (["--cron", "0 0 30 2 *"], "its day-of-month cannot be"),
        (["--every", "5m", "--tz", "UTC", "--overlap", "sometimes"], "--overlap"),
    ],
)
def test_add_what_cannot_be(
    program: Program, connection: Connection, flags: list[str], why: str
) -> None:
    ran = program("cron", "add", "x", "t", *flags)
    assert (ran.code, why in ran.err) == (2, True)
    assert values(connection, "SELECT name FROM pgqueue.schedules") == []


def test_a_name_that_is_taken(program: Program, connection: Connection) -> None:
    declared = "SELECT pgqueue.put_schedule('coded', 't', every => '1 h', declared => true)"
    connection.execute(declared)
    ran = program("cron", "add", "coded", "u", "--every", "5m")
    assert ran.code == 1
    assert 'schedule "coded" is taken: it is declared in the code of task "t"' in ran.err
    assert "or give yours another name" in ran.err


def test_what_is_wrong(program: Program, connection: Connection) -> None:
    for name in ("broken", "late", "orphan", "paused"):
        connection.execute(PUT, [name, f"task.{name}", "@daily"])
    register(connection, tasks=["task.late", "task.broken"])
    connection.execute("UPDATE pgqueue.schedule SET error = 'no zone' WHERE name = 'broken'")
    connection.execute("UPDATE pgqueue.schedule SET next_at = now() - interval '2 h'")
    connection.execute("SELECT pgqueue.pause_schedule('paused')")
    assert kinds(program) == [
        ("schedule_broken", "task.broken"),
        ("schedule_overdue", "task.late"),
        ("schedule_orphaned", "task.orphan"),
    ]
    out = program("info").out
    assert "schedule broken is broken: no zone Try: pgqueue cron show broken" in out
    assert "schedule late has been due for 2h, and no worker ticks it." in out
    assert "schedule orphan does not tick: no live worker knows its task task.orphan." in out
    listed = program("cron", "ls").out
    for word in ("broken", "overdue", "no worker", "paused"):
        assert word in listed
