"""What the shell is offered, from the database and without one."""

import socket

import pytest

from tests.support.jobs import Connection, enqueue, register

from .conftest import Program


def offered(program: Program, line: str) -> list[str]:
    """What bash gets for a line whose last word is being typed."""
    words = len(line.split(" ")) - 1
    environment = {
        "_PGQUEUE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(words),
    }
    ran = program.alone(**environment)
    assert ran.err == ""
    return [text.partition(",")[2] for text in ran.out.splitlines() if text]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("pgqueue queues show ", ["default", "mail"]),
        ("pgqueue queues pause ma", ["mail"]),
        ("pgqueue jobs ls --queue d", ["default"]),
        ("pgqueue jobs ls --task shop.", ["shop.a", "shop.b"]),
        ("pgqueue jobs ls --state su", ["succeeded"]),
        ("pgqueue tail --task shop.a", ["shop.a"]),
        ("pgqueue workers dump ", ["web-1"]),
        ("pgqueue workers quiet w", ["web-1"]),
        ("pgqueue limits show ", ["crm"]),
        ("pgqueue cron pause ", ["nightly"]),
        ("pgqueue doctor --only ho", ["horizon", "hot"]),
        ("pgqueue queues show nothing", []),
    ],
)
def test_names_come_from_the_database(
    program: Program, connection: Connection, line: str, names: list[str]
) -> None:
    register(connection, name="web-1", queues=["default", "mail"], tasks=["shop.a"])
    enqueue(connection, "shop.b")
    connection.execute("SELECT pgqueue.set_limit('crm', 3)")
    connection.execute("SELECT pgqueue.put_schedule('nightly', 'shop.a', cron => '@daily')")
    assert offered(program, line) == names


def test_no_database_is_no_error(elsewhere: Program) -> None:
    elsewhere.environment["PGQUEUE_DSN"] = "postgresql://127.0.0.1:1/none"
    assert offered(elsewhere, "pgqueue queues show ") == []
    elsewhere.environment["PGQUEUE_DSN"] = "what is this://"
    assert offered(elsewhere, "pgqueue queues show ") == []


def test_no_schema_is_no_error(elsewhere: Program, empty_dsn: str) -> None:
    elsewhere.environment["PGQUEUE_DSN"] = empty_dsn
    assert offered(elsewhere, "pgqueue queues show ") == []


def test_a_database_that_does_not_answer_is_not_waited_for(elsewhere: Program) -> None:
    """The server takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        elsewhere.environment["PGQUEUE_DSN"] = f"postgresql://127.0.0.1:{port}/none"
        assert offered(elsewhere, "pgqueue queues show ") == []
