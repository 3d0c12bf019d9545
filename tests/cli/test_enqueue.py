"""Enqueueing from the command line, with an app that checks and without one."""

import json

import pytest

from tests.support.jobs import Connection, enqueue, row

from .conftest import Program


def test_a_checked_job(shop: Program, connection: Connection) -> None:
    ran = shop.alone("enqueue", "greet", "name=Ada", "times=2")
    assert (ran.code, ran.err) == (0, "")
    id = int(ran.out.removeprefix("greet #").removesuffix(" → mail\n"))
    found = row(connection, "SELECT * FROM pgqueue.jobs WHERE id = %s", id)
    assert found["args"] == {"name": "Ada", "times": 2}


@pytest.mark.parametrize(
    ("typed", "args"),
    [
        (["name=42"], {"name": "42"}),
        (["name=null", "times=3"], {"name": "null", "times": 3}),
        (["name=a=b"], {"name": "a=b"}),
        (["name="], {"name": ""}),
        (['{"name": "Ada", "times": 2}'], {"name": "Ada", "times": 2}),
    ],
)
def test_the_signature_says_what_stays_a_string(
    shop: Program, typed: list[str], args: dict[str, object]
) -> None:
    ran = shop.alone("enqueue", "greet", *typed, "--dry-run", "--json")
    assert ran.json == {
        "id": None,
        "task": "greet",
        "queue": "mail",
        "args": args,
        "checked": True,
    }


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        (["add", "a=ada"], ["add: argument a: expected int, got str", "signature: add(a: int"]),
        (["add"], ["add: missing argument a"]),
        (["add", "a=1", "c=2"], ["add: unexpected argument c"]),
        (["ad", "a=1"], ['no task named "ad". Did you mean add?']),
        (["add", "a=1", "a=2"], ["argument a is given twice"]),
        (["add", "mail"], ['argument "mail" is not KEY=VALUE', "--queue mail"]),
        (["add", "{nonsense"], ["the arguments are not JSON"]),
        (["add", "[1, 2]"], ["a JSON array, not an object"]),
        (["add", "a=1", "--priority", "99"], ["priority lies between -10 and 10, got 99"]),
        (["add", "a=1", "--in", "1h", "--at", "now+1h"], ["--in and --at exclude each other"]),
        (["add", "a=1", "--timeout", "1s"], ["--timeout bounds --wait"]),
        (["add", "a=1", "--meta", "x"], ['--meta "x" is not KEY=VALUE']),
        (["add", "a=1", "--at", "tomorrow"], ['"tomorrow" is not a time']),
        (["add", "a=1e999"], ["argument a"]),
    ],
)
def test_refused(
    shop: Program, connection: Connection, typed: list[str], errors: list[str]
) -> None:
    ran = shop.alone("enqueue", *typed)
    assert ran.code == 2, ran
    for error in errors:
        assert error in ran.err
    assert row(connection, "SELECT count(*) FROM pgqueue.jobs") == {"count": 0}


def test_options_of_the_job(shop: Program, connection: Connection) -> None:
    ran = shop.alone(
        "enqueue", "add", "a=1", "--queue", "later", "--priority", "-3", "--in", "1h",
        "--max-attempts", "2", "--tag", "x", "--tag", "y", "--meta", "from=cli", "--meta", "n=1",
        "-q",
    )  # fmt: skip
    found = row(
        connection,
        "SELECT *, run_at - enqueued_at = interval '1 hour' AS in_an_hour "
        "FROM pgqueue.jobs WHERE id = %s",
        int(ran.out),
    )
    assert (found["queue"], found["priority"], found["max_attempts"]) == ("later", -3, 2)
    assert (found["tags"], found["meta"]) == (["x", "y"], {"from": "cli", "n": 1})
    assert (found["state"], found["in_an_hour"]) == ("scheduled", True)
    ran = shop.alone("enqueue", "add", "a=1", "--at", "2999-01-01T00:00Z", "--json")
    found = row(connection, "SELECT * FROM pgqueue.jobs WHERE id = %s", ran.json["id"])
    assert found["run_at"].year in (2998, 2999)


def test_a_dry_run_needs_no_database(elsewhere: Program) -> None:
    elsewhere.write("jobs.py")
    ran = elsewhere.alone("enqueue", "add", "a=1", "--dry-run", "-d", "host=127.0.0.1 port=1")
    assert (ran.code, ran.out) == (0, 'add → default   {"a":1}\n')


def test_without_an_app_nothing_can_be_checked(program: Program, connection: Connection) -> None:
    ran = program("enqueue", "anything", "a=1", "b=text", 'c={"d": [null]}', "--tag", "t", "--json")
    assert ran.code == 0
    assert "neither the task's name nor the arguments could be checked" in ran.err
    assert ran.json["checked"] is False
    found = row(connection, "SELECT * FROM pgqueue.jobs WHERE id = %s", ran.json["id"])
    assert found["args"] == {"a": 1, "b": "text", "c": {"d": [None]}}
    assert program("enqueue", "x" * 201).code == 2
    assert program("enqueue", "x", "--priority", "99").code == 2
    assert program("enqueue", "x", "a=1", "--meta", "b=2", "--queue", "q").out.endswith("→ q\n")
    assert program("enqueue", "x", 'a={"b": NaN}').code == 2


@pytest.fixture
def working(shop: Program) -> object:
    """A worker for both queues, for the length of the test."""
    worker = shop.start("worker", "-q", "default", "-q", "mail", "--log-level", "error")
    yield worker
    worker.terminate()
    worker.communicate(timeout=30)
    assert worker.returncode == 0


@pytest.mark.usefixtures("working")
def test_waiting_for_the_end(shop: Program) -> None:
    ran = shop.alone("enqueue", "add", "a=1", "b=2", "--wait", "--json")
    assert (ran.code, ran.json["state"], ran.json["result"]) == (0, "succeeded", 3)
    assert ran.json["wait_seconds"] >= 0
    ran = shop.alone("enqueue", "greet", "name=Ada", "--wait")
    assert (ran.code, json.loads(ran.out)) == (0, "Ada")
    assert "succeeded in" in ran.err
    ran = shop.alone("enqueue", "fail", "--wait")
    assert (ran.code, ran.out) == (4, "")
    assert "dead" in ran.err
    assert "ValueError: card declined" in ran.err
    assert "pgqueue jobs show" in ran.err
    ran = shop.alone("enqueue", "stop", "--wait", "--json")
    assert (ran.code, ran.json["state"], ran.json["error"]) == (4, "cancelled", "no longer wanted")


def test_waiting_may_end_first(shop: Program) -> None:
    ran = shop.alone("enqueue", "add", "a=1", "--wait", "--timeout", "10ms")
    assert (ran.code, "did not end in time; it goes on" in ran.err) == (1, True)


def test_a_queue_that_nobody_knows_is_doubted(shop: Program, connection: Connection) -> None:
    ran = shop.alone("enqueue", "add", "a=1", "--queue", "mial")
    told = 'There is no queue "{}" yet. Did you mean {}?\n'
    assert (ran.code, ran.err) == (0, told.format("mial", "mail"))
    ran = shop.alone("enqueue", "add", "a=1", "--queue", "mail")
    assert (ran.code, ran.err) == (0, "")
    enqueue(connection, queue="print")
    ran = shop.alone("enqueue", "add", "a=1", "--queue", "prnit", "--json")
    assert (ran.json["queue"], ran.err) == ("prnit", told.format("prnit", "print"))
    assert shop.alone("enqueue", "add", "a=1", "--queue", "prnit").err == ""


def test_a_delay_is_called_as_in_python_too(program: Program) -> None:
    for flag in ("--in", "--delay"):
        ran = program("enqueue", "add", flag, "10", "--dry-run", "--json")
        assert (ran.code, ran.json["task"]) == (0, "add")
