"""Queues, workers and the glance at all: what is shown, and what is warned of."""

import signal

from tests.support.jobs import Connection, claim_one, enqueue, expire, register, value
from tests.support.waiting import eventually

from .conftest import Program


def kinds(program: Program, *flags: str) -> list[tuple[str, str | None, str | None]]:
    warnings = program("info", "--json", *flags).json["warnings"]
    return [(item["kind"], item["queue"], item["task"]) for item in warnings]


def test_queues_are_listed_and_shown(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    enqueue(connection, queue="mail", run_at="2999-01-01Z")
    assert program("queues", "ls", "-q").out == "default\nmail\n"
    found = {item["queue"]: item for item in program("queues", "ls", "--json").json["items"]}
    assert (found["mail"]["queued"], found["mail"]["scheduled"]) == (1, 1)
    assert found["mail"]["oldest_seconds"] >= 0
    assert " mail " in program("queues", "ls").out
    assert program("queues", "show", "mail").out.startswith("mail   1 queued   0 running")
    assert program("queues", "show", "mail", "--json").json["queue"] == "mail"


def test_pause_and_resume(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    ran = program("queues", "pause", "mail", "--reason", "SMTP outage")
    assert (ran.code, ran.out) == (0, "mail paused (0 running jobs finish, new ones wait).\n")
    assert "pgqueue queues resume mail" in ran.err
    shown = program("queues", "show", "mail")
    assert "SMTP outage" in shown.out
    assert "paused by" in program("queues", "ls").out
    ran = program("queues", "resume", "mail")
    assert ran.out.endswith(": 1 queued job.\n")
    assert program("queues", "resume", "mail").out == "mail was not paused.\n"
    assert program("queues", "pause", "mail", "--json").json["paused_by"]
    assert program("queues", "resume", "mail", "--json").json["paused_at"] is None


def test_an_unknown_queue(program: Program, connection: Connection) -> None:
    enqueue(connection, queue="mail")
    for command in ("show", "resume"):
        ran = program("queues", command, "mial")
        assert (ran.code, 'no queue "mial". Did you mean mail?' in ran.err) == (5, True)
    ran = program("queues", "pause", "mial", answer="n\n")
    assert (ran.code, "Did you mean mail? Pause it anyway?" in ran.err) == (1, True)
    ran = program("queues", "pause", "mial", "--yes")
    assert (ran.code, 'no queue "mial" yet. Did you mean mail?' in ran.err) == (0, True)
    assert program("queues", "show", "mial", "--json").json["paused_at"]


def test_workers(program: Program, connection: Connection) -> None:
    assert program("workers", "ls").err == "No workers. Start one: pgqueue worker\n"
    register(connection, name="web-1", queues=["default", "mail"])
    expire(connection, register(connection, name="web-2"))
    assert program("workers", "ls", "-q").out == "web-1\nweb-2\n"
    states = {
        item["name"]: item["state"] for item in program("workers", "ls", "--json").json["items"]
    }
    assert states == {"web-1": "running", "web-2": "lost"}
    out = program("workers", "ls").out
    assert "default mail" in out
    assert "1h" in out


def test_nothing_is_wrong(program: Program, connection: Connection) -> None:
    register(connection)
    enqueue(connection)
    assert kinds(program) == []
    ran = program("info")
    assert ran.out.splitlines()[0].endswith("schema pgqueue v1   1 worker, 0 of 1 slots busy")


def test_who_is_quiet_serves_nothing(program: Program, connection: Connection) -> None:
    id = register(connection, name="web-1")
    enqueue(connection)
    assert value(connection, "SELECT pgqueue.ask_worker(%s, 'quiet', 'ada')", id)
    assert kinds(program) == []
    connection.execute("UPDATE pgqueue.worker SET draining_at = now(), quiet = true")
    assert kinds(program) == [
        ("queue_without_worker", "default", None),
        ("worker_quiet", None, None),
    ]
    out = program("info").out
    assert "worker web-1 takes no jobs: ada asked it to be quiet." in out
    assert "pgqueue workers resume web-1" in out
    register(connection, name="web-2", tasks=["other"])
    assert kinds(program) == [("unknown_task", "default", "t"), ("worker_quiet", None, None)]


def test_a_pause_tells_of_jobs_at_the_gate_too(program: Program, connection: Connection) -> None:
    register(connection)
    enqueue(connection, flow={"fair_key": "a"})
    connection.execute("SELECT pgqueue.pause_queue('default', NULL, 'ada')")
    assert "default: paused by ada, 1 waiting job." in program("info").out


def test_a_glance_counts_up_to_a_bound(program: Program, connection: Connection) -> None:
    connection.execute("SELECT pgqueue.enqueue('t') FROM generate_series(1, 10001)")
    ran = program("info")
    assert ran.out.splitlines()[3].split()[:3] == ["default", "10,000+", "0"]
    assert "default: 10,000+ waiting jobs and no live worker." in ran.out
    (found,) = program("info", "--json").json["queues"]
    assert (found["queued"], found["more"]) == (10_000, ["queued"])
    assert " 10,001 " in program("queues", "ls").out
    connection.execute(
        "SELECT pgqueue.enqueue('t', queue => 'later', run_at => '2999-01-01Z') "
        "FROM generate_series(1, 10000)"
    )
    figures = [line.split()[:5] for line in program("info").out.splitlines()[3:5]]
    assert figures == [
        ["default", "10,000+", "0", "?", "?"],
        ["later", "0", "0", "10,000+", "?"],
    ]


def test_what_is_wrong(program: Program, connection: Connection) -> None:
    expire(connection, register(connection, name="gone", queues=["mail"]))
    register(connection)
    enqueue(connection, queue="mail")
    enqueue(connection, "shop.old.resize")
    connection.execute("SELECT pgqueue.pause_queue('default', 'lunch', 'ada')")
    assert kinds(program) == [
        ("queue_paused", "default", None),
        ("queue_without_worker", "mail", None),
        ("unknown_task", "default", "shop.old.resize"),
        ("worker_lost", None, None),
    ]
    out = program("info").out
    assert "mail: 1 waiting job and no live worker. Try: pgqueue worker -q mail" in out
    assert "default: paused by ada: lunch, 1 waiting job." in out
    assert "1 waiting job of task shop.old.resize, which no live worker knows." in out
    assert "worker gone is lost" in out
    assert kinds(program, "--queue", "mail") == [
        ("queue_without_worker", "mail", None),
        ("worker_lost", None, None),
    ]


def test_busy_slots(program: Program, connection: Connection) -> None:
    worker = register(connection, concurrency=5)
    enqueue(connection)
    claim_one(connection, worker)
    connection.execute("SELECT pgqueue.renew(%s, 1)", [worker])
    found = program("info", "--json").json
    assert (found["workers"], found["slots"], found["busy"]) == (1, 5, 1)


def test_watching_goes_on_until_it_is_stopped(program: Program, connection: Connection) -> None:
    running = program.start("info", "--watch", "10ms", "--json")
    assert running.stdout is not None
    first, second = running.stdout.readline(), running.stdout.readline()
    assert first.startswith('{"database"')
    assert second.startswith('{"database"')
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=20)
    assert (running.returncode, err.strip()) == (130, "")
    eventually(
        lambda: value(
            connection,
            "SELECT count(*) = 0 FROM pg_stat_activity "
            "WHERE application_name = 'pgqueue cli' AND datname = current_database()",
        )
    )
