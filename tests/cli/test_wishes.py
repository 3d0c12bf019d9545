"""`pgqueue workers quiet | resume | stop`: what a worker is asked for."""

import pytest

from tests.support.jobs import Connection, register, row, value, values
from tests.support.waiting import eventually

from .conftest import Program

STATE = "SELECT state FROM pgqueue.workers"


def test_a_real_worker_hears(program: Program, connection: Connection) -> None:
    program.write("jobs.py", "from pgqueue import PgQueue\napp = PgQueue()\n")
    worker = program.start("worker", "-A", "jobs:app", "--name", "w1", "--heartbeat", "200ms")
    try:
        eventually(lambda: values(connection, STATE) == ["running"], within=60)
        ran = program("workers", "quiet", "w1")
        assert ran.code == 0, ran.err
        assert "takes no more jobs from its next heartbeat on" in ran.out
        eventually(lambda: values(connection, STATE) == ["quiet"])
        assert "takes jobs from" in program("workers", "resume", "w1").out
        eventually(lambda: values(connection, STATE) == ["running"])
        assert "ends when it has finished" in program("workers", "stop", "w1").out
        _, err = worker.communicate(timeout=60)
        assert worker.returncode == 0
    finally:
        worker.kill()
    told = [line.split()[1] for line in err.splitlines() if line[:1].isdigit()]
    assert [word for word in told if word in ("asked", "stopped")] == [*["asked"] * 3, "stopped"]


def test_it_stands_in_the_audit(program: Program, connection: Connection) -> None:
    first, second = register(connection, name="twin"), register(connection, name="twin")
    items = program("workers", "quiet", "twin", "--json").json["items"]
    assert items == [
        {"worker_id": id, "worker": "twin", "wish": "quiet", "heard": True}
        for id in (first, second)
    ]
    record = row(connection, "SELECT action, via, target, actor FROM pgqueue.audit")
    assert (record["action"], record["via"]) == ("ask_worker", "cli")
    assert record["target"] == {"worker": "twin", "ids": [first, second], "wish": "quiet"}
    assert value(connection, "SELECT DISTINCT wished_by FROM pgqueue.wish") == record["actor"]


def test_who_was_asked_to_stop_does_not_resume(program: Program, connection: Connection) -> None:
    id = register(connection, name="w1")
    assert program("workers", "stop", "w1", "-q").out == f"{id}\n"
    ran = program("workers", "resume", "w1")
    assert ran.out == (f"w1 (worker {id}) is to stop, and that is not taken back.\n")
    assert value(connection, "SELECT count(*) FROM pgqueue.audit") == 1


@pytest.mark.parametrize("verb", ["quiet", "resume", "stop"])
def test_an_unknown_worker(program: Program, connection: Connection, verb: str) -> None:
    register(connection, name="web-1")
    ran = program("workers", verb, "web-2")
    assert ran.code == 5
    assert 'there is no worker "web-2". Did you mean web-1?' in ran.err
    assert "pgqueue workers ls" in ran.err
