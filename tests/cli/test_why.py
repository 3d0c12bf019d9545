"""Why a job waits, as the program tells it."""

from tests.support.jobs import Connection, claim_one, complete, enqueue, register

from .conftest import Program


def test_the_sentence_and_its_parts(program: Program, connection: Connection) -> None:
    id = enqueue(connection, run_at="2100-01-01 00:00:00+00")
    sentence = "It is scheduled for 2100-01-01 00:00:00 UTC."
    nobody = 'No live worker serves queue "default": there is no live worker.'
    ran = program("jobs", "why", str(id))
    assert (ran.code, ran.out) == (0, f"{sentence} Then n{nobody[1:]}\n")
    found = program("jobs", "why", str(id), "--json").json
    assert found["id"] == id
    assert found["why"] == ran.out.rstrip()
    assert [(reason["code"], reason["sentence"]) for reason in found["reasons"]] == [
        ("scheduled", sentence),
        ("queue_without_worker", nobody),
    ]
    assert found["reasons"][1]["details"] == {"queue": "default", "served": []}


def test_a_job_that_is_not_there(program: Program) -> None:
    ran = program("jobs", "why", "7")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith("Error: Job 7 was never enqueued: no number was given yet.\n")
    ran = program("jobs", "why", "7", "--json")
    assert (ran.code, ran.json["reasons"][0]["code"]) == (5, "never_enqueued")
    for number in ("0", "99999999999999999999", "x"):
        assert program("jobs", "why", number).code == 2


def test_show_tells_why_a_job_has_not_ended(program: Program, connection: Connection) -> None:
    id = enqueue(connection)
    worker = register(connection)
    why = '  why      It is next in queue "default", and runs as soon as a worker has room.\n'
    assert why in program("jobs", "show", str(id)).out
    complete(connection, claim_one(connection, worker))
    assert "  why " not in program("jobs", "show", str(id)).out


def test_jobs_at_the_gate_are_counted(program: Program, connection: Connection) -> None:
    enqueue(connection, flow={"limits": ["x"]})
    (queue,) = program("info", "--json").json["queues"]
    assert (queue["blocked"], queue["queued"]) == (1, 0)
    header, line = program("queues", "ls").out.splitlines()
    assert dict(zip(header.split(), line.split(), strict=False))["blocked"] == "1"
    assert "1 blocked" in program("queues", "show", "default").out
