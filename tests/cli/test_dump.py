"""`pgqueue workers dump`: the stacks of a worker in another process."""

from tests.support.jobs import Connection, enqueue, register, value
from tests.support.waiting import eventually

from .conftest import Program

SLEEPER = """
import time
from pgqueue import PgQueue
app = PgQueue()

@app.task
def sleep_long(secret: str) -> None:
    time.sleep(120)
"""


def test_a_real_worker_answers(program: Program, connection: Connection) -> None:
    program.write("jobs.py", SLEEPER)
    id = enqueue(connection, "sleep_long", args={"secret": "4111"})
    worker = program.start("worker", "-A", "jobs:app", "--name", "w1", "--grace", "0s")
    try:
        running = "SELECT count(*) FROM pgqueue.job WHERE lease IS NOT NULL"
        eventually(lambda: value(connection, running) == 1, within=60)
        ran = program("workers", "dump", "w1")
        assert ran.code == 0, ran.err
        assert f"job {id} sleep_long, attempt 1/20" in ran.out
        assert "time.sleep(120)" in ran.out
        assert "4111" not in ran.out
        (item,) = program("workers", "dump", "w1", "--json").json["items"]
        assert set(item) == {"worker_id", "worker", "written_at", "stacks"}
        assert value(connection, "SELECT count(*) FROM pgqueue.dump") == 0
        asked = "SELECT DISTINCT action || ' ' || via FROM pgqueue.audit"
        assert value(connection, asked) == "ask_dump cli"
    finally:
        worker.kill()
        worker.communicate()


def test_an_unknown_worker(program: Program, connection: Connection) -> None:
    register(connection, name="web-1")
    ran = program("workers", "dump", "web-2")
    assert ran.code == 5
    assert 'there is no worker "web-2". Did you mean web-1?' in ran.err


def test_a_lost_worker_is_not_asked(program: Program, connection: Connection) -> None:
    register(connection, name="web-1")
    connection.execute("UPDATE pgqueue.worker SET seen_at = now() - interval '1 hour'")
    ran = program("workers", "dump", "web-1")
    assert ran.code == 5
    assert "worker web-1 is lost" in ran.err


def test_a_worker_that_does_not_answer(program: Program, connection: Connection) -> None:
    register(connection, name="old", lease_for="1 hour")
    ran = program("workers", "dump", "old", "--timeout", "300ms")
    assert ran.code == 1
    assert "did not answer within 0.3 seconds" in ran.err
