"""Every act is recorded with who did it; what changed nothing is not."""

import pytest

from tests.support.jobs import Connection, enqueue, rows, value

from .conftest import Program
from .test_jobs import bury

RECORDS = "SELECT action, target, jobs, reason FROM pgqueue.audit_log ORDER BY id"


@pytest.mark.parametrize(
    ("command", "action", "target"),
    [
        ("jobs retry {dead}", "retry", {"ids": [1]}),
        ("jobs retry --task t --yes", "retry", {"filter": "task t", "ids": [1]}),
        ("jobs cancel {live}", "cancel", {"ids": [2]}),
        ("queues pause default --reason why", "pause_queue", {"queue": "default"}),
        ("queues resume paused", "resume_queue", {"queue": "paused"}),
        ("queues ageing default 1h", "set_ageing", {"queue": "default", "ageing": "1h"}),
        ("queues limit default 5", "set_limit", {"limit": "queue:default", "rule": "5 at once"}),
        ("limits set crm 7", "set_limit", None),
        ("limits rm known", "remove_limit", {"limit": "known"}),
        ("tasks limit t off", "remove_limit", {"limit": "task:t"}),
        (
            "queues weight default acme 3",
            "set_weight",
            {"queue": "default", "fair_key": "acme", "weight": 3},
        ),
        ("pause tag big --reason why", "pause", {"tag": "big"}),
        ("resume task t", "resume", {"task": "t"}),
        ("cron add new t --every 5m", "put_schedule", {"schedule": "new", "task": "t"}),
        ("cron run hourly", "run_schedule", {"schedule": "hourly", "id": 3}),
        ("cron pause hourly --reason why", "pause_schedule", {"schedule": "hourly"}),
        ("cron resume hourly", "resume_schedule", {"schedule": "hourly"}),
        ("cron rm hourly --yes", "delete_schedule", {"schedule": "hourly"}),
    ],
)
def test_every_act_is_recorded(
    program: Program, connection: Connection, command: str, action: str, target: object
) -> None:
    dead, live = enqueue(connection), enqueue(connection)
    bury(connection, dead)
    for before in (
        "SELECT pgqueue.pause_queue('paused')",
        "SELECT pgqueue.pause('task', 't')",
        "SELECT pgqueue.set_limit('known', 5), pgqueue.set_limit('task:t', 5)",
        "SELECT pgqueue.put_schedule('hourly', 't', cron => '@hourly')",
    ):
        connection.execute(before.encode())
    words = command.format(dead=dead, live=live).split()
    if words[:2] == ["limits", "set"]:
        words = ["limits", "set", "crm", "--concurrency", "7"]
    ran = program(*words)
    assert ran.code == 0, ran.err
    (found,) = rows(connection, RECORDS)
    assert found["action"] == action
    assert target is None or found["target"] == target
    assert found["reason"] == ("why" if "why" in command else None)
    assert found["jobs"] == (1 if command.startswith(("jobs", "cron run")) else None)
    assert (
        value(connection, "SELECT via || ' ' || (actor <> '') FROM pgqueue.audit_log") == "cli true"
    )


def test_what_changed_nothing_is_not_recorded(program: Program, connection: Connection) -> None:
    live = enqueue(connection)
    for command in (
        f"jobs retry {live}",
        "queues resume default",
        "resume tag big",
        "limits rm unknown",
        "cron pause unknown",
        "queues ls",
    ):
        program(*command.split())
    assert rows(connection, RECORDS) == []


def test_the_act_and_its_record_are_one_transaction(
    program: Program, connection: Connection
) -> None:
    connection.execute("ALTER TABLE pgqueue.audit RENAME TO gone")
    ran = program("queues", "pause", "default")
    assert ran.code != 0
    paused = "SELECT count(*) FROM pgqueue.pauses"
    assert value(connection, paused) == 0


def test_the_list(program: Program, connection: Connection) -> None:
    assert program("audit").err == "Nobody did anything by hand.\n"
    program("pause", "tag", "big\x1b[31m", "--reason", "wrong\nprices")
    program("queues", "pause", "default")
    old = """
        INSERT INTO pgqueue.audit (at, actor, via, action, target)
        VALUES (now() - interval '2 days', E'ann\\n9  forged', 'sql', 'retry', '{}')
    """
    connection.execute(old)
    lines = program("audit").out.splitlines()
    assert len(lines) == 4, "nothing that was written forges a line"
    assert "queue default" in lines[2]
    assert "\x1b" not in lines[3]
    assert "wrong" in lines[3]
    assert program("audit", "-q").out.split() == ["3", "2", "1"]
    assert program("audit", "-q", "--since", "1h").out.split() == ["2", "1"]
    page = program("audit", "--limit", "2", "--json").json
    assert ([item["id"] for item in page["items"]], page["next"]) == ([3, 2], "2")
    assert program("audit", "--after", "2", "-q").out.split() == ["1"]
