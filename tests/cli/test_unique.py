"""Unique keys on the command line: whether a job was made, and why one was not retried."""

from tests.support.jobs import Connection, row, value

from .conftest import Program


def test_a_unique_key_makes_one_job(shop: Program, connection: Connection) -> None:
    first = shop.alone("enqueue", "add", "a=1", "--unique-key", "k", "--json").json
    again = shop.alone("enqueue", "add", "a=2", "--unique-key", "k", "--json").json
    assert (first["created"], again["created"]) == (True, False)
    assert first["id"] == again["id"]
    ran = shop.alone("enqueue", "add", "a=3", "--unique-key", "k", "--on-conflict", "replace")
    assert ran.out == f"add #{first['id']} has this unique key; no new job was made\n"
    assert value(connection, "SELECT args FROM pgqueue.jobs") == {"a": 3}
    assert shop.alone("enqueue", "add", "a=3", "--unique-key", "l").out.startswith("add #")


def test_raise_fails(shop: Program, connection: Connection) -> None:
    typed = ("enqueue", "add", "a=1", "--unique-key", "k", "--on-conflict", "raise")
    id = int(shop.alone(*typed, "--quiet").out)
    ran = shop.alone(*typed)
    assert (ran.code, f"job {id} of add has this unique key" in ran.err) == (1, True)
    assert f"pgqueue jobs show {id}" in ran.err
    assert row(connection, "SELECT count(*) FROM pgqueue.jobs") == {"count": 1}


def test_without_an_app(program: Program, connection: Connection) -> None:
    typed = ("enqueue", "anything", "a=1", "--unique-key", "k", "--json")
    assert [program(*typed).json["created"] for _ in range(2)] == [True, False]
    assert program("enqueue", "anything", "--unique-key", "k" * 201).code == 2
    ran = program("enqueue", "anything", "--on-conflict", "skip")
    assert (ran.code, "--on-conflict needs a --unique-key" in ran.err) == (2, True)
    assert row(connection, "SELECT count(*) FROM pgqueue.jobs") == {"count": 1}


def test_retry_says_that_another_job_has_the_key(program: Program, connection: Connection) -> None:
    typed = ("enqueue", "t", "--unique-key", "k", "--quiet")
    first = int(program(*typed).out)
    connection.execute("SELECT pgqueue.cancel(%s)", [first])
    second = int(program(*typed).out)
    ran = program("jobs", "retry", str(first))
    assert (ran.code, ran.out) == (
        5,
        f"#{first}: stays cancelled, as job #{second} has its unique key\n",
    )
    ran = program("jobs", "retry", "--state", "cancelled", "--all", "--yes")
    assert "another job has their unique key: 1 of them" in ran.out
    assert "is cancelled" not in program("jobs", "cancel", str(first)).out
