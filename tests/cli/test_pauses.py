"""Pausing tasks, tags and tenants, and seeing what is paused."""

import pytest

from tests.support.jobs import Connection, register, value

from .conftest import Program


@pytest.mark.parametrize("kind", ["task", "tag", "tenant"])
def test_pause_and_resume(program: Program, connection: Connection, kind: str) -> None:
    ran = program("pause", kind, "x y", "--reason", "SMTP outage")
    assert (ran.code, ran.out) == (
        0,
        f"{kind} x y paused (running jobs finish, new ones wait).\n",
    )
    assert ran.err == f"Undo: pgqueue resume {kind} x y\n"
    (pause,) = program("pauses", "--json").json["items"]
    assert (pause["kind"], pause["name"], pause["reason"]) == (kind, "x y", "SMTP outage")
    assert "@" in pause["paused_by"]
    assert "SMTP outage" in program("pauses").out
    assert program("pauses", "-q").out == f"{kind} x y\n"
    (warning,) = program("info", "--json").json["warnings"]
    assert (warning["kind"], warning["command"]) == ("paused", f"pgqueue resume {kind} x y")
    assert ": SMTP outage. Try: pgqueue resume" in program("info").out
    assert program("resume", kind, "x y").out == f"{kind} x y resumed.\n"
    assert program("resume", kind, "x y").out == f"{kind} x y was not paused.\n"
    assert program("resume", kind, "x y", "--json").json["resumed"] is False
    assert program("pauses").err == "Nothing is paused.\n"


def test_a_pause_with_an_end(program: Program, connection: Connection) -> None:
    ran = program("pause", "tag", "x", "--until", "2100-01-01T00:00Z")
    assert ran.out.startswith("tag x paused until ")
    assert program("pauses", "--json").json["items"][0]["until"] == "2100-01-01T00:00:00Z"
    left = "SELECT extract(epoch FROM until - now())::integer BETWEEN {} FROM pgqueue.pauses"
    assert program("pause", "tag", "x", "--until", "now+2h").code == 0
    assert value(connection, left.format("7190 AND 7200"))
    assert program("pause", "tag", "x", "--for", "30m", "--json").json["name"] == "x"
    assert value(connection, left.format("1790 AND 1800"))
    assert " until " in program("info").out


def test_what_cannot_be_paused(program: Program, connection: Connection) -> None:
    for action in ("pause", "resume"):
        ran = program(action, "queue", "mail")
        assert (ran.code, ran.err) == (
            2,
            f"Error: queues have a command of their own to {action} them.\n"
            f"Hint: pgqueue queues {action} mail\n",
        )
        ran = program(action, "job", "1")
        assert (ran.code, f'"job" is nothing to {action}.' in ran.err) == (2, True)
        assert "there are: task, tag, tenant." in ran.err
    ran = program("pause", "tag", "x", "--for", "1h", "--until", "now+1h")
    assert (ran.code, "exclude each other" in ran.err) == (2, True)
    ran = program("pause", "tag", "x", "--until", "2020-01-01T00:00Z")
    assert (ran.code, "would be over already" in ran.err) == (1, True)


def test_a_task_that_no_worker_knows(program: Program, connection: Connection) -> None:
    assert program("pause", "task", "sned", answer="n\n").code == 0, "nobody is there to know"
    program("resume", "task", "sned")
    register(connection, tasks=["send"])
    ran = program("pause", "task", "sned", answer="n\n")
    question = 'No live worker knows task "sned". Did you mean send? Pause it anyway?'
    assert (ran.code, question in ran.err) == (1, True)
    assert program("pauses", "-q").out == ""
    assert program("pause", "task", "sned", "--yes").code == 0
    assert program("pause", "task", "send").code == 0
