"""The contract of --json: the keys of each command's document. Changing one breaks somebody."""

import re
from datetime import datetime
from typing import Any

import pytest

from tests.support.jobs import Connection, claim_one, complete, enqueue, register

from .conftest import Program
from .test_jobs import bury

JOB = (
    "id task queue state priority attempt max_attempts run_at enqueued_at started_at finished_at "
    "timeout tags meta progress result cancel_requested_at worker_id error"
)
QUEUE = (
    "queue queued running scheduled retrying blocked dead workers oldest_queued_at oldest_seconds "
    "paused_at paused_by pause_reason paused_until keep_succeeded keep_dead ageing limit"
)
PAUSE = "kind name paused_at paused_by reason until"
LIMIT = "name concurrency rate per burst sliding when_full running waiting declared changed_at"
ATTEMPT = "attempt error_type message traceback started_at failed_at ran worker"
TASK = "name aliases queue priority max_attempts timeout run_in signature description"
SCHEDULE = (
    "name task state cron every at timezone next_tick last_tick last_job_id last_job_state known "
    "args queue priority max_attempts timeout tags meta flow missed most_missed overlap jitter "
    "declared error paused_at paused_by pause_reason created_at changed_at"
)
CONTRACT = {
    "version": "pgqueue python",
    "jobs ls": f"items/{JOB}",
    "jobs ls --args": f"items/{JOB} args",
    "jobs show {dead}": f"{JOB} args attempts",
    "jobs wait {done}": "id task queue state attempt error wait_seconds run_seconds result",
    "jobs retry {dead}": "matched changed retried unchanged ids audit",
    "jobs cancel {dead}": "matched changed cancelled cancelling unchanged ids audit",
    "queues ls": f"items/{QUEUE}",
    "queues show default": QUEUE,
    "queues pause default": QUEUE,
    "queues pause default --for 1h --wait": QUEUE,
    "queues resume default": QUEUE,
    "queues ageing default 1h": QUEUE,
    "jobs why {done}": "id why reasons",
    "pause tag big": PAUSE,
    "resume tag big": "kind name resumed",
    "audit": "items/id at actor via action target jobs reason",
    "pauses": f"items/{PAUSE}",
    "queues limit default 5": LIMIT,
    "queues weight default 42 3": "queue fair_key weight",
    "tasks limit add 5": LIMIT,
    "limits set a --rate 5/m": LIMIT,
    "limits show queue:mail": LIMIT,
    "limits ls": f"items/{LIMIT}",
    "limits rm queue:mail": LIMIT,
    "workers ls": "items/id name host pid version state queues tasks concurrency running "
    "started_at seen_at draining_at lease_expires_at wish wished_at wished_by",
    "workers quiet w": "items/worker_id worker wish heard",
    "workers resume w": "items/worker_id worker wish heard",
    "info": "database server schema host port workers slots busy queues schedules "
    "next_tick warnings",
    "cron ls": f"items/{SCHEDULE}",
    "cron show hourly": SCHEDULE,
    "cron pause hourly": SCHEDULE,
    "cron resume hourly": SCHEDULE,
    "cron add other add a=1 --every 5m": SCHEDULE,
    "cron run hourly": "id task queue created",
    "cron next hourly": "timezone words next",
    "cron next @daily": "timezone words next",
    "cron rm hourly --yes": "name removed",
    "tasks ls": f"items/{TASK}",
    "tasks show add": f"{TASK} schema",
    "tasks show add --schema": "$ref $defs",
    "enqueue add a=1": "id task queue args checked",
    "enqueue add a=1 --dry-run": "id task queue args checked",
    "migrate": "from to steps",
    "migrate --dry-run": "from to steps",
    "migrate status": "installed newest pending is_current",
    "migrate sql": "sql",
    "config": "items/name value source",
    "doctor --only server": "problems warnings findings fixed",
    "errors": "items/fingerprint task error_type example place failures jobs first_seen last_seen "
    "is_new",
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def check_values(document: Any, key: str = "") -> None:
    """Instants are ISO-8601 in UTC, ids integers."""
    if isinstance(document, dict):
        for name, value in document.items():
            check_values(value, name)
    elif isinstance(document, list):
        for value in document:
            check_values(value, key)
    elif key.endswith("_at") and document is not None:
        assert INSTANT.fullmatch(document), (key, document)
        assert datetime.fromisoformat(document).tzinfo is not None
    elif key in ("id", "worker_id", "pid") and document is not None:
        assert isinstance(document, int)
    elif key.endswith("seconds") or key in ("timeout", "keep_dead"):
        assert document is None or isinstance(document, int | float)


@pytest.mark.parametrize("command", CONTRACT)
def test_the_keys_of_each_document(shop: Program, connection: Connection, command: str) -> None:
    done, dead = enqueue(connection, timeout="1 minute"), enqueue(connection, queue="mail")
    register(connection)
    complete(connection, claim_one(connection), results={str(done): 3})
    bury(connection, dead)
    connection.execute("SELECT pgqueue.pause('task', 'add')")
    connection.execute("SELECT pgqueue.record_action('ann', 'sql', 'pause', '{}')")
    connection.execute("SELECT pgqueue.set_limit('queue:mail', 5, 100, '1 minute')")
    connection.execute("SELECT pgqueue.put_schedule('hourly', 'add', cron => '@hourly')")
    ran = shop.alone(*command.format(dead=dead, done=done).split(), "--json")
    assert ran.code in (0, 5), ran.err
    assert ran.out.count("\n") == 1
    document = ran.json
    keys = CONTRACT[command]
    if keys.startswith("items/"):
        assert set(document) == {"items", "next"}
        assert document["items"]
        for item in document["items"]:
            assert set(item) == set(keys.removeprefix("items/").split())
    else:
        assert set(document) == set(keys.split())
    check_values(document)


def test_the_keys_inside(program: Program, connection: Connection) -> None:
    dead = enqueue(connection)
    bury(connection, dead)
    enqueue(connection)
    (attempt,) = program("jobs", "show", str(dead), "--json").json["attempts"]
    assert set(attempt) == set(ATTEMPT.split())
    info = program("info", "--json").json
    assert set(info["queues"][0]) == set(QUEUE.split()) | {"more"}
    connection.execute("DELETE FROM pgqueue.worker")
    (warning,) = program("info", "--json").json["warnings"]
    assert set(warning) == {"kind", "queue", "task", "worker", "text", "command"}
    (reason,) = program("jobs", "why", str(dead), "--json").json["reasons"]
    assert set(reason) == {"code", "sentence", "details"}
