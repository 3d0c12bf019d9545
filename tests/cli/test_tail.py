"""`pgqueue tail`: each event once, in the order of time, whatever is kept."""

import json
import select
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from pgqueue.cli.session import Session
from pgqueue.cli.tail import Watcher
from tests.support.jobs import Connection, claim, complete, enqueue, register

from .conftest import Program
from .test_jobs import bury

KEYS = {
    *("at", "state", "job_id", "task", "queue", "attempt", "max_attempts", "worker", "seconds"),
    "error",
}


@pytest.fixture
def watched(dsn: str) -> Any:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        yield Watcher(Session(), connection, ())


def look(watcher: Watcher, **chosen: Any) -> list[tuple[str, int]]:
    given = {"queue": None, "task": None} | chosen
    return [(row["state"], row["job_id"]) for row in watcher.look(**given)]


def test_each_event_is_told_once(connection: Connection, watched: Watcher) -> None:
    before = enqueue(connection)
    worker = register(connection, name="w1")
    complete(connection, *claim(connection, worker))
    assert look(watched) == [], f"job {before} ended before anybody watched"

    first, second = enqueue(connection), enqueue(connection)
    claimed = claim(connection, worker, 2)
    assert look(watched) == [("running", first), ("running", second)]
    assert look(watched) == []
    complete(connection, claimed[0])
    fail = "SELECT pgqueue.fail(%s, %s, interval '1 hour', 'ValueError', 'card declined')"
    connection.execute(fail, [second, claimed[1]["lease"]])
    connection.execute("SELECT pgqueue.cancel(%s)", [enqueue(connection)])
    assert look(watched) == [
        ("succeeded", first),
        ("retrying", second),
        ("cancelled", second + 1),
    ]
    assert look(watched) == []


def test_a_dead_job_is_told_by_its_end_alone(connection: Connection, watched: Watcher) -> None:
    look(watched)
    id = enqueue(connection)
    bury(connection, id)
    events = [event for event in look(watched) if event[0] != "running"]
    assert events == [("dead", id)]


def test_what_commits_late_is_seen(
    connection: Connection, other: Connection, watched: Watcher
) -> None:
    look(watched)
    first, second = enqueue(connection), enqueue(connection)
    claimed = claim(connection, register(connection), 2)
    other.execute("BEGIN")
    complete(other, claimed[0])
    complete(connection, claimed[1])
    assert ("succeeded", second) in look(watched)
    other.execute("COMMIT")
    assert look(watched) == [("succeeded", first)]


def test_filters(connection: Connection, watched: Watcher) -> None:
    look(watched)
    enqueue(connection, "a")
    wanted = enqueue(connection, "b", queue="mail")
    claim(connection, register(connection))
    claim(connection, register(connection, queues=["mail"]), queue="mail")
    assert look(watched, queue="mail") == [("running", wanted)]


def told(running: subprocess.Popen[str], happen: Callable[[], int]) -> tuple[str, list[int]]:
    """The first line that is printed, and the jobs of which it may tell. It happens again until
    then: the first look only finds out where things stand, and nobody sees when that was.
    """
    assert running.stdout is not None
    jobs: list[int] = []
    deadline = time.monotonic() + 60
    while True:
        jobs.append(happen())
        if select.select([running.stdout], [], [], 0.5)[0]:
            return running.stdout.readline(), jobs
        assert time.monotonic() < deadline, "nothing was told"


def test_a_stream_of_documents(program: Program, connection: Connection) -> None:
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL")
    worker = register(connection, name="w1")

    def begin() -> int:
        id = enqueue(connection)
        claim(connection, worker)
        return id

    running = program.start("tail", "--json", "--state", "running", "--state", "succeeded")
    try:
        assert running.stderr is not None
        assert "Succeeded jobs are not kept in: default." in running.stderr.readline()
        line, jobs = told(running, begin)
        event = json.loads(line)
        assert set(event) == KEYS
        assert (event["state"], event["worker"]) == ("running", "w1")
        assert event["job_id"] in jobs
    finally:
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Traceback" not in err


def test_lines_for_people(program: Program, connection: Connection) -> None:
    def die() -> int:
        id = enqueue(connection, "charge")
        bury(connection, id)
        return id

    running = program.start("tail", "--state", "dead")
    try:
        line, jobs = told(running, die)
        assert "dead" in line
        assert any(f"charge #{id}  default  1/20" in line for id in jobs)
        assert "card declined" in line
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
