"""Looking at jobs: filters, pages, one job with its failures, waiting for one."""

from collections.abc import Callable

import pytest

from pgqueue.cli import waiting
from tests.support.jobs import (
    Connection,
    claim_gated,
    claim_one,
    complete,
    enqueue,
    expire,
    register,
    rescue,
)
from tests.support.states import fail
from tests.support.waiting import eventually

from .conftest import Program

TRACEBACK = 'Traceback\n  File "shop.py", line 3, in pay\n    pay()\n'


def bury(
    connection: Connection,
    id: int,
    message: str = "ValueError: card declined",
    traceback: str = TRACEBACK,
) -> None:
    """Let a worker run the job and fail it for good."""
    queue = connection.execute("SELECT queue FROM pgqueue.jobs WHERE id = %s", [id]).fetchone()
    assert queue is not None
    claimed = claim_one(connection, queue=queue[0])
    assert claimed["id"] == id
    kind, _, text = message.partition(": ")
    connection.execute(
        "INSERT INTO pgqueue.failure (job_id, attempt, queue, task, started_at, error_type, "
        "message, traceback, fingerprint) VALUES (%s, 1, %s, 't', now(), %s, %s, %s, 'x')",
        [id, queue[0], kind, text, traceback],
    )
    connection.execute("SELECT pgqueue.bury(%s, %s, 'dead', %s)", [id, claimed["lease"], message])


@pytest.fixture
def listed(program: Program) -> Callable[..., list[int]]:
    """The ids that `jobs ls` with these flags shows."""

    def listed(*flags: str) -> list[int]:
        ran = program("jobs", "ls", "-q", *flags)
        assert ran.code == 0, ran.err
        return [int(line) for line in ran.out.splitlines()]

    return listed


def test_filters(connection: Connection, listed: Callable[..., list[int]]) -> None:
    a = enqueue(connection, "pay", queue="money", tags=["vip", "eu"], args={"user": {"id": 42}})
    b = enqueue(connection, "pay", args={"user": {"id": 7}}, meta={"from": "web"})
    c = enqueue(connection, "mail", queue="mail", tags=["vip"])
    bury(connection, a)
    assert listed() == [c, b, a]
    assert listed("--state", "dead") == [a]
    assert listed("--state", "dead", "--state", "queued") == [c, b, a]
    assert listed("--queue", "mail", "--queue", "money") == [c, a]
    assert listed("--queue", "mail,money") == [c, a]
    assert listed("--task", "pay") == [b, a]
    assert listed("--tag", "vip") == [c, a]
    assert listed("--tag", "vip", "--tag", "eu") == [a]
    assert listed("--where", "args.user.id=42") == [a]
    assert listed("--where", "args.user.id!=42") == [c, b]
    assert listed("--where", "meta.from=web", "--task", "pay") == [b]
    assert listed("--error", "CARD declined") == [a]
    assert listed("--error", "100%") == []
    assert listed("--task", "%'; DROP TABLE x --") == []


def test_since_and_until_mean_the_end_or_else_the_enqueueing(
    connection: Connection, listed: Callable[..., list[int]]
) -> None:
    old, ended, new = (enqueue(connection) for _ in range(3))
    connection.execute(
        "UPDATE pgqueue.job SET enqueued_at = now() - interval '3 hours' WHERE id <> %s", [new]
    )
    connection.execute("SELECT pgqueue.cancel(%s)", [ended])
    assert listed("--since", "1h") == [new, ended]
    assert listed("--until", "now-1h") == [old]
    assert listed("--since", "4h", "--until", "2h30m") == [old]
    assert listed("--since", "2000-01-01T00:00Z", "--until", "9000-01-01T00:00+01:00") == [
        new,
        ended,
        old,
    ]


def test_a_time_without_a_zone_is_refused(program: Program) -> None:
    ran = program("jobs", "ls", "--since", "2026-11-22T12:00")
    assert ran.code == 2
    assert "2026-11-22T12:00Z" in ran.err


def test_pages_go_on_where_the_last_one_ended(program: Program, connection: Connection) -> None:
    ids = [enqueue(connection) for _ in range(5)]
    seen: list[int] = []
    after: list[str] = []
    while True:
        page = program("jobs", "ls", "--limit", "2", "--json", *after).json
        seen += [item["id"] for item in page["items"]]
        enqueue(connection)  # newcomers do not shift the pages
        if page["next"] is None:
            break
        after = ["--after", page["next"]]
    assert seen == ids[::-1]
    assert "There are more: --after" in program("jobs", "ls", "--limit", "2").err


def test_arguments_are_shown_only_when_asked_for(program: Program, connection: Connection) -> None:
    id = enqueue(connection, args={"card": "4242"})
    assert "4242" not in program("jobs", "ls").out
    assert "4242" not in program("jobs", "ls", "--json").out
    assert "4242" in program("jobs", "ls", "--args").out
    assert program("jobs", "ls", "--args", "--json").json["items"][0]["args"] == {"card": "4242"}
    assert program("jobs", "show", str(id), "--json").json["args"] == {"card": "4242"}


def test_an_empty_list_is_a_result(program: Program) -> None:
    ran = program("jobs", "ls")
    assert (ran.code, ran.out, ran.err) == (0, "", "No jobs match.\n")
    assert program("jobs", "ls", "--json").json == {"items": [], "next": None}


def test_show_a_dead_job(program: Program, connection: Connection) -> None:
    id = enqueue(connection, "pay", tags=["vip"], args={"order": 42}, timeout="90 seconds")
    bury(connection, id)
    out = program("jobs", "show", str(id)).out
    assert out.splitlines()[0] == f"pay #{id}   dead   queue default   priority 0   tags vip"
    assert "timeout 1m 30s" in out
    assert '  args     {"order": 42}' in out
    assert "ValueError: card declined" in out
    assert 'File "shop.py", line 3, in pay' in out
    assert out.endswith(f"  next     pgqueue jobs retry {id}\n")
    shown = program("jobs", "show", str(id), "--json").json
    assert (shown["state"], shown["timeout"], shown["error"]) == (
        "dead",
        90,
        "ValueError: card declined",
    )
    assert [attempt["error_type"] for attempt in shown["attempts"]] == ["ValueError"]


def test_show_a_traceback_with_carets(program: Program, connection: Connection) -> None:
    id = enqueue(connection)
    place = '  File "shop.py", line 2, in pay\n    prices["tea"]["cold"]\n    ~~~~~~^^^^^^^\n'
    calls = 'Traceback (most recent call last):\n  File "threads.py", line 9, in run\n    task()\n'
    bury(connection, id, "KeyError: 'tea'", f"{calls}{place}KeyError: 'tea'\n")
    lines = program("jobs", "show", str(id)).out.splitlines()
    start = lines.index('       File "shop.py", line 2, in pay')
    assert lines[start + 1 : start + 3] == [
        '         prices["tea"]["cold"]',
        "         ~~~~~~^^^^^^^",
    ]
    assert "next" in lines[start + 3]


def test_show_prints_sql_that_runs(program: Program, connection: Connection) -> None:
    id = enqueue(connection)
    text = program("jobs", "show", str(id), "--sql").out
    job, failures = text.split(";")[:2]
    assert connection.execute(job.encode()).rowcount == 1
    assert connection.execute(failures.encode()).rowcount == 0


def test_no_such_job(program: Program) -> None:
    ran = program("jobs", "show", "4711")
    assert (ran.code, "there is no job 4711." in ran.err) == (5, True)
    ran = program("jobs", "wait", "4711")
    assert (ran.code, "there is no job 4711" in ran.err) == (5, True)


def test_the_last_error_of_a_retrying_job(program: Program, connection: Connection) -> None:
    enqueue(connection)
    worker = register(connection)
    claim_one(connection, worker)
    expire(connection, worker)
    rescue(connection)
    (item,) = program("jobs", "ls", "--json").json["items"]
    assert item["error"].startswith("WorkerLost: ")


def test_wait_for_a_success_and_its_result(program: Program, connection: Connection) -> None:
    id = enqueue(connection)
    running = program.start("jobs", "wait", str(id), "--json")
    eventually(
        lambda: connection.execute("SELECT FROM pgqueue.job WHERE awaited").rowcount,
        what="the command waits",
    )
    complete(connection, claim_one(connection), results={str(id): {"sum": 3}})
    out, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (0, "")
    assert '"result":{"sum": 3}' in out


def test_waiting_for_a_failure_ends_with_4(program: Program, connection: Connection) -> None:
    dead, cancelled = enqueue(connection), enqueue(connection)
    bury(connection, dead)
    connection.execute("SELECT pgqueue.cancel(%s, 'not now')", [cancelled])
    ran = program("jobs", "wait", str(dead))
    assert (ran.code, "dead" in ran.err, "card declined" in ran.err) == (4, True, True)
    ran = program("jobs", "wait", str(cancelled), "--json")
    assert (ran.code, ran.json["state"], ran.json["error"]) == (4, "cancelled", "not now")


def test_waiting_has_an_end(program: Program, connection: Connection) -> None:
    id = enqueue(connection)
    ran = program("jobs", "wait", str(id), "--timeout", "10ms")
    assert (ran.code, "did not end in time; it goes on" in ran.err) == (1, True)
    assert '  It is queued. No live worker serves queue "default": there is no live' in ran.err
    assert "Hint: pgqueue worker -q default" in ran.err
    ran = program("jobs", "wait", str(id), "--timeout", "10ms", "--json")
    assert (ran.code, ran.json["id"], ran.json["state"]) == (1, id, "queued")
    claim_one(connection)
    ran = program("jobs", "wait", str(id), "--timeout", "10ms", "--json")
    assert (ran.code, ran.json["state"], ran.json["run_seconds"]) == (1, "running", None)
    (cause,) = ran.err.splitlines()[1:]
    assert cause.startswith("  It is running. ")


def test_waiting_for_a_blocked_job_says_by_what(
    program: Program, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    connection.execute("SELECT pgqueue.set_limit('stripe', 1)")
    enqueue(connection, flow={"limits": ["stripe"]})
    assert claim_gated(connection, register(connection))
    id = enqueue(connection, flow={"limits": ["stripe"]})
    ran = program("jobs", "wait", str(id), "--timeout", "50ms")
    told, error, cause = ran.err.splitlines()
    assert told.startswith("still blocked. ")
    assert "stripe" in told
    assert error.endswith("did not end in time; it goes on.")
    assert cause == f"  It is {told.removeprefix('still ')}"


def test_waiting_for_a_job_that_failed_says_of_what(
    program: Program, connection: Connection
) -> None:
    id = enqueue(connection)
    fail(connection, claim_one(connection), "1 hour")
    connection.execute("SELECT pgqueue.retry(%s)", [id])
    ran = program("jobs", "wait", str(id), "--timeout", "10ms")
    assert ran.err.endswith("\n  its last failure: shop.gateway.CardDeclined: card declined\n")


def test_waiting_for_nobody_is_said(
    program: Program, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    id = enqueue(connection, queue="it's")
    ran = program("jobs", "wait", str(id), "--timeout", "50ms")
    told = 'still queued. No live worker serves queue "it\'s": there is no live worker. '
    assert ran.err.splitlines()[0].startswith(f"{told}Try: pgqueue worker -q ")
    register(connection, queues=["it's"])
    ran = program("jobs", "wait", str(id), "--timeout", "50ms")
    assert "no live worker" not in ran.err
    assert "It is queued." in ran.err
