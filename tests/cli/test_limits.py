"""Limits from the command line: set, shown, removed, and what is typed wrong."""

import json

import pytest

from tests.support.jobs import Connection, claim_gated, enqueue, register, row, value

from .conftest import Program


def test_set_show_and_remove(program: Program, connection: Connection) -> None:
    assert program("limits", "ls").err == "There are no limits.\n"
    ran = program("limits", "set", "stripe", "--concurrency", "5", "--rate", "100/m")
    assert (ran.code, ran.out) == (0, "stripe: 5 at once, 100 per 1m.\n")
    assert ran.err == "Undo: pgqueue limits rm stripe\n"
    for _ in range(7):
        enqueue(connection, flow={"limits": ["stripe"]})
    claim_gated(connection, register(connection), 10)
    assert program("limits", "ls", "-q").out == "stripe\n"
    header, line = program("limits", "ls").out.splitlines()
    assert " ".join(header.split()) == "limit at once rate when full running waiting set by"
    assert " ".join(line.split()) == "stripe 5 100 per 1m wait 5 2 an operator"
    shown = program("limits", "show", "stripe").out
    assert shown.startswith(
        "stripe   5 at once, 100 per 1m\n  now      5 places taken, 2 jobs waiting\n"
    )
    assert "  set      by an operator, 20" in shown
    assert program("limits", "show", "stripe", "-q").out == "stripe\n"
    ran = program("limits", "rm", "stripe")
    assert ran.out == "stripe is limited no more. It was: 5 at once, 100 per 1m.\n"
    assert ran.err == ""
    assert len(claim_gated(connection, register(connection), 10)) == 2


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--concurrency", "1"], "1 at once"),
        (["--rate", "5/s"], "5 per 1s"),
        (["--rate", "1000/1h30m", "--burst", "10"], "1,000 per 1h 30m in bursts of 10"),
        (["--rate", "1/250ms", "--sliding"], "1 per 0.25s in any window"),
        (
            ["--concurrency", "2", "--when-full", "cancel_newest"],
            "2 at once, or newcomers are cancelled",
        ),
        (
            ["--concurrency", "2", "--when-full", "cancel_running"],
            "2 at once, or the one that runs for the longest time is cancelled",
        ),
    ],
)
def test_rules_in_words(program: Program, flags: list[str], text: str) -> None:
    assert program("limits", "set", "a", *flags).out == f"a: {text}.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set", "a"], "a limit allows something: give concurrency, or rate and per."),
        (["set", "a", "--concurrency", "0"], "concurrency is at least 1, got 0."),
        (["set", "a", "--concurrency", "many"], "'many' is not a valid integer"),
        (
            ["set", "a", "--rate", "100"],
            '"100" is not a rate. Write it as 100/m, 5/s or 1000/1h30m.',
        ),
        (["set", "a", "--rate", "0/m"], '"0/m" is not a rate.'),
        (["set", "a", "--rate", "5/x"], '"x" is not a duration.'),
        (["set", "a", "--rate", "1/0s"], "per must be positive"),
        (["set", "a", "--concurrency", "1", "--burst", "2"], "burst goes with a rate"),
        (
            ["set", "a", "--rate", "1/s", "--burst", "2", "--sliding"],
            "a sliding window saves nothing",
        ),
        (["set", "a", "--rate", "1/s", "--when-full", "cancel_newest"], "is about places"),
        (["set", "a", "--concurrency", "1", "--when-full", "drop"], "'drop' is not one of"),
        (
            ["set", "order", "--concurrency", "3"],
            'a limit is not named "order": at the gate that is a word.',
        ),
        (["set", "", "--concurrency", "1"], "the name of a limit has 1 to 200 bytes, got 0."),
    ],
)
def test_what_is_no_rule(
    program: Program, connection: Connection, arguments: list[str], message: str
) -> None:
    ran = program("limits", *arguments)
    assert (ran.code, message in ran.err) == (2, True), ran.err
    assert program("limits", "ls", "-q").out == ""


def test_an_unknown_limit(program: Program) -> None:
    program("limits", "set", "stripe", "--concurrency", "1")
    for command in ("show", "rm"):
        ran = program("limits", command, "strpe")
        assert (ran.code, 'no limit "strpe". Did you mean stripe?' in ran.err) == (5, True)
    ran = program("limits", "set", "strpe", "--concurrency", "1", answer="n\n")
    assert (ran.code, "Did you mean stripe? Set it anyway?" in ran.err) == (1, True)
    assert program("limits", "set", "strpe", "--concurrency", "1", "--yes").code == 0
    assert program("limits", "set", "strpe", "--concurrency", "2").out == "strpe: 2 at once.\n"
    assert program("limits", "ls", "-q").out == "stripe\nstrpe\n"


def test_a_declared_limit_says_that_it_will_be_back(
    program: Program, connection: Connection
) -> None:
    connection.execute("SELECT pgqueue.set_limit('stripe', 1, declared => true)")
    assert " the application" in program("limits", "ls").out
    assert "by an application" in program("limits", "show", "stripe").out
    assert "the next worker that starts sets it again" in program("limits", "rm", "stripe").err


def test_as_json(program: Program) -> None:
    ran = program("limits", "set", "a", "--rate", "10/90s", "--burst", "2", "--json")
    assert (ran.json["name"], ran.json["per"], ran.json["burst"]) == ("a", 90.0, 2)
    assert program("limits", "show", "a", "--json").json == ran.json
    assert program("limits", "ls", "--json").json == {"items": [ran.json], "next": None}
    assert program("limits", "rm", "a", "--json").json == ran.json


def test_names_cannot_move_the_cursor(program: Program, connection: Connection) -> None:
    connection.execute("SELECT pgqueue.set_limit(E'a\\x1b[31m', 1)")
    for command in (["ls"], ["ls", "-q"], ["show", "a\x1b[31m"], ["rm", "a\x1b[31m"]):
        out = program("limits", *command).out
        assert "\x1b" not in out
        assert "a\\x1b[31m" in out


# Of a queue, of a task


def test_the_limit_of_a_queue(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "limit", "mail", "20", "--rate", "100/m")
    assert (ran.code, ran.out) == (0, "queue:mail: 20 at once, 100 per 1m.\n")
    claim_gated(connection, register(connection, queues=["mail"]), 10, "mail")
    assert " of 20, 100 per 1m " in program("queues", "ls").out
    assert "  limit    0 of 20, 100 per 1m\n" in program("queues", "show", "mail").out
    assert " of 20, 100 per 1m " in program("info").out
    (found,) = program("info", "--queue", "mail,other", "--json").json["queues"]
    assert (found["limit"]["concurrency"], found["limit"]["per"]) == (20, 60)
    ran = program("queues", "limit", "mail", "off")
    assert ran.out == "queue:mail is limited no more. It was: 20 at once, 100 per 1m.\n"
    ran = program("queues", "limit", "mail", "off")
    assert (ran.code, 'there is no limit "queue:mail".' in ran.err) == (5, True)
    assert program("queues", "show", "mail", "--json").json["limit"] is None


def test_a_limit_for_every_queue_by_itself(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    program("limits", "set", "queue", "--concurrency", "7")
    assert program("queues", "show", "mail", "--json").json["limit"]["name"] == "queue"
    program("queues", "limit", "mail", "--rate", "5/s")
    assert program("queues", "show", "mail", "--json").json["limit"]["name"] == "queue:mail"


def test_a_queue_that_is_not_there_yet(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "limit", "mial", "5", answer="n\n")
    assert (ran.code, "Did you mean mail? Limit it anyway?" in ran.err) == (1, True)
    assert program("queues", "limit", "mial", "5", "--yes").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["many"], '"many" is not a number of jobs.'),
        (["0"], "concurrency is at least 1, got 0."),
        ([], "a limit allows something: give concurrency, or rate and per."),
        (["off", "--rate", "5/m"], "off and --rate exclude each other."),
    ],
)
def test_what_no_queue_can_be_limited_to(
    program: Program, connection: Connection, arguments: list[str], message: str
) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "limit", "mail", *arguments)
    assert (ran.code, message in ran.err) == (2, True), ran.err


def test_the_weight_of_a_tenant(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "weight", "mail", "42", "3")
    assert (ran.code, ran.out) == (0, "mail: tenant 42 has the weight 3.\n")
    found = row(connection, "SELECT queue, fair_key, weight FROM pgqueue.fair_weight")
    assert found == {"queue": "mail", "fair_key": "42", "weight": 3}
    ran = program("queues", "weight", "mail", "42", "5", "--json")
    assert ran.json == {"queue": "mail", "fair_key": "42", "weight": 5}
    assert value(connection, "SELECT weight FROM pgqueue.fair_weight") == 5
    assert program("queues", "weight", "mail", "42", "0").code == 2
    assert program("queues", "weight", "mail", "42", "1001").code == 2
    ran = program("queues", "weight", "mial", "42", "3", answer="n\n")
    assert (ran.code, "Did you mean mail? Set a weight anyway?" in ran.err) == (1, True)


def test_the_limit_of_a_task(shop: Program, connection: Connection) -> None:
    ran = shop.alone("tasks", "limit", "old_greet", "3")
    assert (ran.code, ran.out) == (0, "task:greet: 3 at once.\n")
    ran = shop.alone("tasks", "limit", "gret", "3")
    assert (ran.code, "Did you mean greet?" in ran.err) == (2, True)
    assert shop.alone("tasks", "limit", "greet", "off").code == 0
    assert shop.alone("tasks", "limit", "greet", "off").code == 5


def test_the_limit_of_a_task_without_an_app(program: Program, connection: Connection) -> None:
    ran = program.alone("tasks", "limit", "anything", "--rate", "5/m")
    assert (ran.code, ran.out) == (0, "task:anything: 5 per 1m.\n"), ran.err


# Enqueueing


FLAGS = ["--order-key", "k", "--fair-key", "t", "--limit", "stripe", "--limit", "tenant:42"]


@pytest.mark.parametrize("app", ["with an app", "without"])
def test_enqueue_takes_flow_options(program: Program, connection: Connection, app: str) -> None:
    if app == "with an app":
        program.write("jobs.py")
    ran = program.alone("enqueue", "add", "a=1", *FLAGS, "--expires", "10m", "--json")
    assert ran.code == 0, ran.err
    found = row(
        connection, "SELECT flow, enqueued_at FROM pgqueue.jobs WHERE id = %s", ran.json["id"]
    )
    expires = "SELECT (%s::timestamptz - %s) = interval '10 minutes'"
    assert value(connection, expires, found["flow"].pop("expires_at"), found["enqueued_at"])
    assert found["flow"] == {
        "order_key": "k",
        "fair_key": "t",
        "limits": {"stripe": 1, "tenant:42": 1},
    }
    assert json.loads(ran.out)["checked"] is (app == "with an app")
    assert program.alone("enqueue", "add", "a=1", *FLAGS, "--dry-run").code == 0
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--limit", "queue:mail"], 'leave the limit "queue:mail" out'),
        (["--limit", "a", "--limit", "a"], 'the limit "a" is named twice.'),
        (["--order-key", ""], "order_key has 1 to 200 bytes, got 0."),
        (["--expires", "0s"], "expires must be positive"),
        (["--expires", "soon"], '"soon" is not a duration.'),
    ],
)
def test_what_enqueue_refuses(
    program: Program, connection: Connection, flags: list[str], message: str
) -> None:
    ran = program("enqueue", "add", *flags)
    assert (ran.code, message in ran.err) == (2, True), ran.err
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 0
