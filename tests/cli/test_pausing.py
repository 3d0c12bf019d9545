"""Pauses with an end, waiting until a queue is quiet, ageing."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.jobs import Connection, Row, claim_one, complete, enqueue, register, value

from .conftest import Program


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.cli.draining.LOOK_EVERY", 0.02)
    monkeypatch.setattr("pgqueue.cli.draining.TELL_EVERY", 0.0)


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Do something a little later, from another thread."""
    thread = threading.Timer(0.3, act)
    thread.start()
    yield
    thread.join()


def running_job(connection: Connection) -> Row:
    enqueue(connection, queue="mail")
    return claim_one(connection, queue="mail")


@pytest.mark.parametrize("flags", [("--for", "1h"), ("--until", "now+1h")])
def test_a_pause_with_an_end(
    program: Program, connection: Connection, flags: tuple[str, str]
) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "pause", "mail", "--reason", "SMTP outage", *flags)
    assert ran.code == 0
    assert ran.out.startswith("mail paused until 2")
    left = "SELECT extract(epoch FROM paused_until - now()) FROM pgqueue.queue_stats"
    assert 3500 < value(connection, f"{left} WHERE queue = 'mail'") <= 3600
    assert " until 2" in program("queues", "ls").out
    assert " until 2" in program("queues", "show", "mail").out
    assert " until 2" in program("info").out
    assert program("queues", "show", "mail", "--json").json["paused_until"]


def test_an_instant(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "pause", "mail", "--until", "2999-01-01T12:00Z", "--json")
    assert ran.json["paused_until"] == "2999-01-01T12:00:00Z"


def test_a_pause_that_has_ended_is_none(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    program("queues", "pause", "mail", "--for", "1h")
    connection.execute(
        "UPDATE pgqueue.queue SET paused_until = now() - interval '1 s' WHERE name = 'mail'"
    )
    for command in (("queues", "ls"), ("queues", "show", "mail"), ("info",)):
        assert "paused" not in program(*command).out
    assert program("queues", "resume", "mail").out == "mail was not paused.\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--for", "1h", "--until", "now+1h"), "--for and --until exclude each other."),
        (("--timeout", "1s"), "--timeout bounds --wait, which is missing."),
        (("--until", "2001-01-01T00:00Z"), "would be over already"),
        (("--until", "now-1h"), "would be over already"),
        (("--for", "soon"), '"soon" is not a duration.'),
    ],
)
def test_what_is_no_end(
    program: Program, connection: Connection, flags: tuple[str, ...], message: str
) -> None:
    ran = program("queues", "pause", "default", *flags)
    assert ran.code in (1, 2)
    assert message in ran.err
    assert value(connection, "SELECT paused_at FROM pgqueue.queue") is None


def test_pausing_waits_for_running_jobs(program: Program, connection: Connection) -> None:
    claimed = running_job(connection)
    enqueue(connection, queue="mail")
    with meanwhile(lambda: complete(connection, claimed, queue="mail")):
        ran = program("queues", "pause", "mail", "--wait", "--timeout", "20s")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "mail is quiet: none of its jobs runs.")
    assert "mail: 1 job still running." in ran.err
    assert value(connection, "SELECT pgqueue.backlog('mail')") == 1


def test_pausing_waits_no_longer_than_told(program: Program, connection: Connection) -> None:
    running_job(connection)
    ran = program("queues", "pause", "mail", "--wait", "--timeout", "50ms", "--json")
    assert (ran.code, ran.json["running"]) == (1, 1)
    assert "queue mail did not become quiet in time." in ran.err
    assert "1 job still running" in ran.err
    assert value(connection, "SELECT paused_at FROM pgqueue.queue_stats WHERE queue = 'mail'")


def test_draining_waits_for_all_that_is_due(program: Program, connection: Connection) -> None:
    claimed = running_job(connection)
    enqueue(connection, queue="mail")
    enqueue(connection, queue="mail", run_at="2999-01-01Z")

    def work() -> None:
        complete(connection, claimed, queue="mail")
        time.sleep(0.1)
        complete(connection, claim_one(connection, queue="mail"), queue="mail")

    with meanwhile(work):
        ran = program("queues", "drain", "mail", "--timeout", "20s")
    assert (ran.code, ran.out) == (0, "mail is empty (1 scheduled, 0 retrying).\n")
    assert "mail: 1 job waiting." in ran.err
    found = program("queues", "drain", "mail", "--json").json
    assert (found["queued"], found["running"], found["scheduled"]) == (0, 0, 1)


def test_draining_has_an_end(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "drain", "mail", "--timeout", "50ms")
    assert ran.code == 1
    assert ran.err.splitlines()[-3:] == [
        "Error: queue mail did not run empty in time.",
        "  mail: 1 job waiting; no live worker serves the queue.",
        "Hint: pgqueue worker -q mail",
    ]
    register(connection, queues=["mail"])
    ran = program("queues", "drain", "mail", "--timeout", "50ms", "--json")
    assert (ran.code, ran.json["queued"]) == (1, 1)
    assert "no live worker" not in ran.err
    found = "Hint: pgqueue jobs ls --queue mail --state queued --state blocked"
    assert ran.err.splitlines()[-1] == found


def test_jobs_at_the_gate_are_left_to_run(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail", flow={"order_key": "a"})
    assert program("queues", "drain", "mail", "--timeout", "50ms").code == 1


def test_a_paused_queue_does_not_run_empty(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    program("queues", "pause", "mail")
    ran = program("queues", "drain", "mail")
    assert ran.code == 1
    assert "queue mail is paused, so it does not run empty." in ran.err
    assert "pgqueue queues resume mail" in ran.err


def test_draining_a_queue_that_is_not_there(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "drain", "mial")
    assert (ran.code, 'no queue "mial". Did you mean mail?' in ran.err) == (5, True)


def test_ageing(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "ageing", "mail", "1h")
    assert (ran.code, ran.out) == (0, "mail: first after 1h of waiting.\n")
    assert "first after 1h" in program("queues", "show", "mail").out
    assert program("queues", "show", "mail", "--json").json["ageing"] == 3600
    assert program("queues", "ageing", "mail", "off").out == "mail: jobs keep their priority.\n"
    assert program("queues", "ageing", "mail", "90", "--json").json["ageing"] == 90


@pytest.mark.parametrize(
    ("length", "code", "message"),
    [
        ("never", 2, '"never" is not a duration.'),
        ("1ms", 1, "ageing lies between 1 second and 1000 years"),
    ],
)
def test_what_is_no_ageing(
    program: Program, connection: Connection, length: str, code: int, message: str
) -> None:
    ran = program("queues", "ageing", "default", length)
    assert (ran.code, message in ran.err) == (code, True), ran.err
    assert value(connection, "SELECT ageing FROM pgqueue.queue") is None
