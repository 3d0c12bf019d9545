"""The worker as a command: flags, banner, logs, one process or several, its exit code."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.jobs import Connection, enqueue, state, values
from tests.support.waiting import eventually

from .conftest import APP, Program


def workers(connection: Connection) -> list[int]:
    return values(connection, "SELECT pid FROM pgqueue.workers ORDER BY id")


def end(running: "subprocess.Popen[str]", number: int = signal.SIGTERM) -> tuple[str, str]:
    running.send_signal(number)
    return running.communicate(timeout=60)


def test_once_runs_what_is_there(shop: Program, connection: Connection) -> None:
    id = enqueue(connection, "add", args={"a": 1})
    ran = shop.alone("worker", "--once")
    assert ran.code == 0
    assert state(connection, id) == "succeeded"
    assert ran.out == ""
    assert f"done      add #{id}" in ran.err


def test_the_banner_tells_the_truth(shop: Program, connection: Connection) -> None:
    ran = shop.alone("worker", "--once", "-q", "default:7", "-c", "9")
    lines = ran.err.splitlines()
    assert lines[0].startswith("pgqueue ")
    assert "  app       jobs:app  (found here)" in lines
    assert "  queues    default:7" in lines
    assert "  runs      9 at once" in lines
    assert "  tasks     4  add, fail, greet, stop" in lines
    assert "            not served here: queue mail (2  fail, greet)" in lines
    assert "pgqueue " not in shop.alone("worker", "--once", "--quiet").err.splitlines()[0][:8]


def test_a_dry_run_checks_and_starts_nothing(shop: Program, connection: Connection) -> None:
    ran = shop.alone("worker", "--dry-run")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "Dry run: all is well.")
    assert values(connection, "SELECT count(*) FROM pgqueue.queue WHERE name <> 'default'") == [0]


def test_a_queue_that_no_task_uses_is_doubted(shop: Program) -> None:
    ran = shop.alone("worker", "-q", "mial", "-q", "nosuch", "-q", "default", "--dry-run")
    assert ran.code == 0
    assert 'queue "mial" is the default of no task; did you mean mail?' in ran.err
    assert 'queue "nosuch" is the default of no task; tasks use: default, mail' in ran.err
    assert 'queue "default"' not in ran.err


def test_a_limit_without_a_rule_is_doubted(program: Program, connection: Connection) -> None:
    program.write(
        "jobs.py",
        """
from pgqueue import By, Limit, LimitRule, PgQueue
app = PgQueue(limits={"stripe": LimitRule(concurrency=1)})
app.task(limits="strpie", name="charge")(lambda: None)
app.task(limits=["stripe", "adyen", "house:1"], name="refund")(lambda: None)
app.task(limits=Limit("tenant", key=By("id")), name="sync")(lambda id: None)
""",
    )
    for rule in ("adyen", "tenant:42", "house"):
        connection.execute("SELECT pgqueue.set_limit(%s, 1)", [rule])
    ran = program.alone("worker", "--dry-run")
    assert ran.code == 0
    doubted = 'task charge is under the limit "strpie", which has no rule; did you mean stripe?'
    assert [line.strip() for line in ran.err.splitlines() if "limit" in line] == [doubted]
    connection.execute("SELECT pgqueue.set_limit('strpie', 1)")
    assert "which has no rule" not in program.alone("worker", "--dry-run").err


def test_an_error_of_a_lifespan_names_it(program: Program) -> None:
    path = program.write(
        "jobs.py",
        """
from pgqueue import PgQueue
app = PgQueue()
@app.lifespan
async def resources(app):
    raise RuntimeError("no redis")
    yield
""",
    )
    ran = program.alone("worker", "--quiet")
    assert ran.code == 1
    assert ran.err.splitlines()[:2] == [
        "Error: unexpected RuntimeError: no redis",
        f"  raised in the lifespan resources ({path}:4)",
    ]


def test_a_worker_without_tasks_asks_for_their_module(program: Program) -> None:
    program.write("jobs.py", "from pgqueue import PgQueue\napp = PgQueue()\n")
    ran = program.alone("worker", "--dry-run")
    assert ran.code == 0
    assert "  tasks     none. Is the module that declares them imported?" in ran.err.splitlines()


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (["-q", "mail,"], "a name is empty. Write it as email,pay."),
        (["-q", "mail,mail"], "queue mail is given twice"),
        (["-q", "mail,email:0"], '"0" is not a limit: write email:10'),
        (["-q", "mail,pay", "--weight", "pay=5,mail=0"], '"mail=0" is not a weight'),
        (["-q", "mail:0"], '"0" is not a limit'),
        (["-q", "mail:many"], '"many" is not a limit'),
        (["-q", "mail", "-q", "mail:3"], "queue mail is given twice"),
        (["-q", "mail", "--weight", "mail=3", "--weight", "mail=5"], "queue mail has two weights"),
        (["-q", "mail", "--weight", "mail"], '"mail" is not a weight: write email=3'),
        (["-q", "mail", "--weight", "mail=0"], '"mail=0" is not a weight'),
        (["-q", "mail", "--weight", "mail=many"], '"mail=many" is not a weight'),
        (["--weight", "mail=3"], 'weights names the queue "mail", which is not served.'),
        (["-q", "mail", "--weight", "mail=3", "--strict"], "strict and weights exclude each other"),
        (["-c", "0"], "concurrency lies between 1 and 100000, got 0."),
        (["--lease", "1s"], "must be at least twice the heartbeat"),
        (["--grace", "soon"], '"soon" is not a duration'),
        (["--log-format", "xml"], "'xml' is not one of"),
        (["--processes", "0"], "0 is not in the range"),
        (["--reload-dir", "nowhere"], "does not exist"),
    ],
)
def test_wrong_settings_end_with_2(shop: Program, flags: list[str], what: str) -> None:
    ran = shop.alone("worker", "--once", *flags)
    assert (ran.code, what in ran.err) == (2, True), ran.err


def test_no_app_or_no_schema(program: Program, empty_dsn: str) -> None:
    ran = program.alone("worker")
    assert (ran.code, "no app found." in ran.err) == (2, True)
    program.write("jobs.py")
    ran = program.alone("worker", "-d", empty_dsn)
    assert (ran.code, "Hint: pgqueue migrate" in ran.err) == (3, True)
    ran = program.alone("worker", "--processes", "2", "-d", empty_dsn)
    assert (ran.code, "Hint: pgqueue migrate" in ran.err) == (3, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_with_0(
    shop: Program, connection: Connection, number: signal.Signals
) -> None:
    running = shop.start("worker")
    id = enqueue(connection, "add", args={"a": 1})
    eventually(lambda: state(connection, id) == "succeeded")
    assert workers(connection) == [running.pid]
    _, err = end(running, number)
    assert running.returncode == 0, err
    assert "stopped" in err


def test_json_logs_are_lines_of_json_and_nothing_else(
    shop: Program, connection: Connection
) -> None:
    enqueue(connection, "add", args={"a": 1, "b": 4242})
    ran = shop.alone("worker", "--once", "--log-format", "json", "--log-level", "debug")
    events = [json.loads(line) for line in ran.err.splitlines()]
    assert {"worker.started", "job.started", "job.finished", "worker.stopped"} <= {
        event["event"] for event in events
    }
    assert "4242" not in ran.err
    enqueue(connection, "add", args={"a": 1, "b": 4242})
    ran = shop.alone("worker", "--once", "--log-level", "debug", "--log-args")
    assert "4242" in ran.err
    enqueue(connection, "add", args={"a": 1})
    assert "  start     add #" in shop.alone("worker", "--once", "-v").err


def test_settings_come_from_variables_too(shop: Program, connection: Connection) -> None:
    shop.environment |= {"PGQUEUE_WORKER_CONCURRENCY": "3", "PGQUEUE_WORKER_QUEUES": "mail:1 x"}
    shop.environment["PGQUEUE_WORKER_WEIGHTS"] = "mail=3 x=2"
    ran = shop.alone("worker", "--once")
    assert "  runs      3 at once" in ran.err
    assert "  queues    mail:1 (weight 3)  x (weight 2)" in ran.err
    found = {item["name"]: item for item in shop.alone("config", "--json").json["items"]}
    assert found["worker.concurrency"] == {
        "name": "worker.concurrency",
        "value": "3",
        "source": "PGQUEUE_WORKER_CONCURRENCY",
    }
    assert found["worker.weights"]["value"] == "mail=3 x=2"
    assert found["worker.lease"]["value"] == 15
    assert found.keys().isdisjoint({"worker.parent", "worker.dry_run", "worker.once"})
    assert "  15s  " in shop.alone("config").out


def test_strict_order_is_the_order_of_the_flags(shop: Program) -> None:
    ran = shop.alone("worker", "--once", "-q", "urgent", "-q", "mail:2", "-q", "a", "--strict")
    assert "  queues    urgent before mail:2 before a\n" in ran.err


def test_several_processes_under_one_parent(shop: Program, connection: Connection) -> None:
    flags = ["--processes", "2", "-q", "mail:3,default", "-q", "a:b:", "-c", "4", "--name", "twin"]
    flags += ["-d", shop.environment["PGQUEUE_DSN"], "--heartbeat", "2s", "--no-listen"]
    flags += ["--weight", "mail=3", "--weight", "a:b=2"]
    running = shop.start("worker", *flags)
    eventually(lambda: len(workers(connection)) == 2)
    pids = workers(connection)
    assert running.pid not in pids
    assert values(connection, "SELECT DISTINCT queues FROM pgqueue.workers") == [
        ["mail", "default", "a:b"]
    ]
    assert values(connection, "SELECT DISTINCT name FROM pgqueue.workers") == ["twin"]
    command = Path(f"/proc/{pids[0]}/cmdline").read_text()
    assert "\0--weight\0mail=3\0--weight\0a:b=2\0" in command
    assert "postgresql://" not in command
    _, err = end(running)
    assert running.returncode == 0, err
    assert workers(connection) == []
    assert err.count("Ctrl+C lets running jobs finish") == 1
    assert "4 at once in each of 2 processes" in err


def test_a_process_that_dies_or_is_worn_out_is_replaced(
    shop: Program, connection: Connection
) -> None:
    running = shop.start("worker", "--processes", "2", "--max-jobs", "3", "--no-listen")
    eventually(lambda: len(workers(connection)) == 2)
    os.kill(workers(connection)[0], signal.SIGKILL)
    ids = [enqueue(connection, "add", args={"a": n}) for n in range(12)]
    eventually(lambda: {state(connection, id) for id in ids} == {"succeeded"}, within=60)
    _, err = end(running)
    assert running.returncode == 0, err
    assert "died: signal SIGKILL; starting another" in err
    assert "reached its limit; a fresh one goes on" in err


def test_workers_stop_when_their_supervisor_is_killed(
    shop: Program, connection: Connection
) -> None:
    running = shop.start("worker", "--processes", "2")
    eventually(lambda: len(workers(connection)) == 2)
    end(running, signal.SIGKILL)
    eventually(lambda: workers(connection) == [], within=30)


def test_reloading_starts_anew_after_a_change(shop: Program, connection: Connection) -> None:
    pytest.importorskip("watchfiles")
    running = shop.start("worker", "--reload")
    eventually(lambda: len(workers(connection)) == 1)
    first = workers(connection)
    changed = APP.replace("return a + b", "return a + b + 1000")

    shop.write("jobs.py", changed)
    eventually(lambda: workers(connection) not in ([], first), within=60)
    id = enqueue(connection, "add", args={"a": 1})
    eventually(lambda: state(connection, id) == "succeeded", within=60)
    _, err = end(running)
    assert running.returncode == 0, err
    found = values(connection, "SELECT result FROM pgqueue.jobs WHERE id = %s", id)
    assert found == [1002]
