"""Retrying and cancelling many jobs: counted, asked, done in pages, reported."""

import pytest

from pgqueue.cli import bulk
from tests.support.jobs import Connection, claim_one, complete, enqueue, state, values

from .conftest import Program
from .test_jobs import bury


def dead_jobs(connection: Connection, count: int, task: str = "pay") -> list[int]:
    ids = [enqueue(connection, task) for _ in range(count)]
    for id in ids:
        bury(connection, id)
    return ids


def test_retry_by_id_asks_nothing(program: Program, connection: Connection) -> None:
    (id,) = dead_jobs(connection, 1)
    ran = program("jobs", "retry", str(id))
    assert (ran.code, ran.out) == (0, "Retried 1.   audit #1\n")
    assert state(connection, id) == "queued"


def test_what_cannot_be_changed_is_said(program: Program, connection: Connection) -> None:
    (id,) = dead_jobs(connection, 1)
    queued = enqueue(connection)
    ran = program("jobs", "retry", str(id), str(queued), "999999", "--json")
    assert ran.code == 0
    assert ran.json == {
        "matched": 3,
        "changed": 1,
        "retried": 1,
        "unchanged": 2,
        "ids": [id],
        "audit": [1],
    }
    ran = program("jobs", "retry", str(queued))
    assert (ran.code, ran.out) == (5, f"#{queued}: waits for a worker already\n")


def test_each_named_job_that_was_left_says_why(program: Program, connection: Connection) -> None:
    done = enqueue(connection)
    complete(connection, claim_one(connection))
    (dead,) = dead_jobs(connection, 1)
    lines = [f"#{done}: succeeded already", "#9999: there is no such job"]
    ran = program("jobs", "retry", "9999", str(done))
    assert (ran.code, ran.out.splitlines()) == (5, lines)
    ran = program("jobs", "retry", "9999", str(done), str(dead))
    assert (ran.code, ran.out.splitlines()) == (0, ["Retried 1.   audit #1", *lines])
    ran = program("jobs", "cancel", *map(str, range(9001, 9013)))
    assert (ran.code, len(ran.out.splitlines())) == (5, 11)
    assert ran.out.endswith("#9010: there is no such job\nand 2 more that nothing was done to\n")


def test_filters_show_the_count_and_ask(program: Program, connection: Connection) -> None:
    ids = dead_jobs(connection, 3)
    other = dead_jobs(connection, 1, "mail")
    ran = program("jobs", "retry", "--task", "pay", "--error", "declined", answer="n\n")
    assert ran.code == 1
    assert '3 dead jobs match (task pay, error has "declined").' in ran.err
    assert "Retry these 3 now? [y/N]" in ran.err
    assert "nothing was changed" in ran.err
    assert {state(connection, id) for id in ids} == {"dead"}

    ran = program("jobs", "retry", "--task", "pay", answer="y\n")
    assert (ran.code, ran.out) == (0, "Retried 3.   audit #1\n")
    assert {state(connection, id) for id in ids} == {"queued"}
    assert state(connection, other[0]) == "dead"


def test_without_an_answer_nothing_is_done(program: Program, connection: Connection) -> None:
    (id,) = dead_jobs(connection, 1)
    ran = program.alone("jobs", "retry", "--task", "pay")
    assert (ran.code, "Hint: --yes" in ran.err) == (1, True)
    assert state(connection, id) == "dead"


def test_many_are_done_page_by_page(
    program: Program, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PAGE", 2)
    ids = dead_jobs(connection, 5)
    ran = program("jobs", "retry", "--task", "pay", "--yes", "-q")
    assert [int(line) for line in ran.out.splitlines()] == ids
    transactions = values(connection, "SELECT DISTINCT xmin::text FROM pgqueue.job")
    assert len(transactions) == 3


def test_cancel_waiting_and_running_jobs(program: Program, connection: Connection) -> None:
    running = enqueue(connection)
    claim_one(connection)
    waiting = enqueue(connection, run_at="2999-01-01Z")
    ran = program("jobs", "cancel", "--all", "--reason", "sale is over", "--yes", "--json")
    assert ran.json == {
        "matched": 2,
        "changed": 2,
        "cancelled": 1,
        "cancelling": 1,
        "unchanged": 0,
        "ids": [running, waiting],
        "audit": [1],
    }
    assert program("jobs", "show", str(waiting), "--json").json["error"] == "sale is over"
    assert "asked to stop" in program("jobs", "show", str(running)).out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["retry"], "jobs retry: which jobs?"),
        (["cancel"], "jobs cancel: which jobs?"),
        (["cancel", "--state", "queued"], "jobs cancel: which jobs?"),
        (["retry", "1", "--task", "x"], "takes ids or filters, not both"),
        (["retry", "1", "--all"], "takes ids or filters, not both"),
        (["retry", "--task", "x", "--state", "succeeded"], "can do nothing about succeeded jobs"),
        (["cancel", "--task", "x", "--state", "dead"], "can do nothing about dead jobs"),
        (["retry", "seven"], "is not a valid integer"),
    ],
)
def test_unclear_orders_are_refused(program: Program, arguments: list[str], what: str) -> None:
    ran = program("jobs", *arguments)
    assert (ran.code, what in ran.err) == (2, True), ran.err


def test_nothing_matched(program: Program) -> None:
    ran = program("jobs", "retry", "--task", "x")
    assert (ran.code, "nothing matches: no dead jobs with task x." in ran.err) == (5, True)
    assert program("jobs", "cancel", "--all").code == 5
    assert program("jobs", "retry", "4711").code == 5


def test_blocked_jobs_are_live_ones(program: Program, connection: Connection) -> None:
    id, other = (enqueue(connection, flow={"limits": ["stripe"]}) for _ in range(2))
    queued = enqueue(connection, queue="mail")
    shown = program("jobs", "ls", "--state", "blocked", "-q").out.split()
    assert shown == [str(other), str(id)]
    ran = program("jobs", "cancel", "--queue", "default", "--yes")
    assert (ran.code, ran.out) == (0, "Cancelled 2.   audit #1\n")
    assert [state(connection, each) for each in (id, other, queued)] == [
        "cancelled",
        "cancelled",
        "queued",
    ]


def test_blocked_jobs_are_cancelled_by_their_state(
    program: Program, connection: Connection
) -> None:
    id = enqueue(connection, flow={"limits": ["stripe"]})
    queued = enqueue(connection)
    ran = program("jobs", "cancel", "--state", "blocked", "--all", "--yes", "-q")
    assert (ran.code, ran.out) == (0, f"{id}\n")
    assert [state(connection, each) for each in (id, queued)] == ["cancelled", "queued"]
    ran = program("jobs", "retry", "--state", "blocked", "--all", "--yes")
    assert (ran.code, "can do nothing about blocked jobs" in ran.err) == (2, True)


def test_a_blocked_job_is_not_retried(program: Program, connection: Connection) -> None:
    id = enqueue(connection, flow={"limits": ["stripe"]})
    ran = program("jobs", "retry", str(id))
    assert (ran.code, ran.out) == (5, f"#{id}: is blocked; `pgqueue jobs why` tells by what\n")
