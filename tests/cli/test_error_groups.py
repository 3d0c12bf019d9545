"""`pgqueue errors`: failures by what they have in common."""

from tests.support.jobs import Connection, claim, enqueue, register

from .conftest import Program

TRACEBACK = """Traceback (most recent call last):
  File "/app/pgqueue/worker/runner.py", line 9, in run
    call()
  File "/app/shop/jobs.py", line 31, in charge
    gateway.charge(order)
ValueError: card declined
"""
FAIL = """
SELECT pgqueue.fail(%s, %s, interval '1 hour', %s, %s, %s, %s, 'jobs.py:31 in charge')
"""
KEYS = "fingerprint task error_type example place failures jobs first_seen last_seen is_new"


def fail(connection: Connection, task: str, error: str, times: int) -> None:
    worker = register(connection, tasks=[task])
    for _ in range(times):
        id = enqueue(connection, task)
        (claimed,) = claim(connection, worker)
        assert claimed["id"] == id
        given = [id, claimed["lease"], "ValueError", error, TRACEBACK, f"{task}-{error}"]
        connection.execute(FAIL, given)


def test_groups_are_counted_and_placed(program: Program, connection: Connection) -> None:
    fail(connection, "charge", "card declined", 3)
    fail(connection, "mail", "no such\naddress", 1)
    ran = program("errors")
    heading, first, second = ran.out.splitlines()
    assert heading.split() == ["count", "jobs", "task", "place", "first", "last", "error"]
    assert first.split()[:4] == ["3", "3", "charge", "jobs.py:31"]
    assert " in charge " in first
    assert " (new) " in first
    assert first.endswith("ValueError: card declined")
    assert second.endswith("ValueError: no such")
    document = program("errors", "--task", "mail", "--json").json
    (item,) = document["items"]
    assert set(item) == set(KEYS.split())
    assert (item["failures"], item["place"]) == (1, "jobs.py:31 in charge")


def test_old_ones_are_left_out(program: Program, connection: Connection) -> None:
    fail(connection, "charge", "card declined", 1)
    connection.execute("UPDATE pgqueue.failure SET failed_at = now() - interval '2 days'")
    ran = program("errors")
    assert ran.code == 0
    assert "No failures since 24h." in ran.err
    assert "charge" in program("errors", "--since", "3d").out
