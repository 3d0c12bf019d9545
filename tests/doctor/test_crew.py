"""Workers, queues, tasks, schedules, limits, the gate and pauses: each fault is really there."""

import pytest
from psycopg.types.json import Jsonb

from tests.support.jobs import (
    Connection,
    claim,
    claim_gated,
    complete,
    enqueue,
    expire,
    register,
    state,
    value,
)

from .conftest import Examine

MANY = "SELECT pgqueue.enqueue_many(%s)"


def test_a_lost_worker_is_found_and_its_jobs_are_rescued(
    connection: Connection, look: Examine
) -> None:
    id = enqueue(connection)
    worker = register(connection, name="old-9")
    claim(connection, worker)
    expire(connection, worker)
    (finding,) = look("workers")
    assert (finding.status, finding.safe) == ("problem", True)
    assert finding.text == "worker old-9 is lost, and its jobs are not rescued yet."
    connection.execute(str(finding.fix_sql).encode())
    assert state(connection, id) == "queued"
    assert look("workers")[0].text == "0 live workers, none lost."


def test_running_jobs_of_nobody(connection: Connection, look: Examine) -> None:
    enqueue(connection)
    worker = register(connection)
    claim(connection, worker)
    connection.execute("DELETE FROM pgqueue.worker")
    (finding,) = look("workers")
    assert finding.text == "1 running job of workers that are gone."
    connection.execute(str(finding.fix_sql).encode())
    assert look("workers")[0].status == "ok"


def test_workers_of_two_releases(connection: Connection, look: Examine) -> None:
    register(connection, name="a", version="0.1.0")
    assert look("versions")[0].text == "every worker runs pgqueue 0.1.0."
    register(connection, name="b", version="0.2.0")
    (finding,) = look("versions")
    assert finding.status == "warning"
    assert finding.text == "workers of 2 releases run: 0.1.0: a; 0.2.0: b."


def test_a_queue_without_a_worker(connection: Connection, look: Examine) -> None:
    register(connection)
    enqueue(connection, queue="reports")
    enqueue(connection)
    (finding,) = look("queues")
    assert (finding.status, finding.fix) == ("problem", "pgqueue worker -q reports")
    assert finding.text == "reports: 1 waiting job and no live worker."


def test_a_queue_without_a_worker_whose_jobs_are_at_the_gate(
    connection: Connection, look: Examine
) -> None:
    register(connection)
    enqueue(connection, queue="sms", flow={"limits": ["gateway"]})
    (finding,) = look("queues")
    assert (finding.status, finding.fix) == ("problem", "pgqueue worker -q sms")
    assert finding.text == "sms: 1 waiting job and no live worker."


def test_a_task_that_no_live_worker_knows(connection: Connection, look: Examine) -> None:
    register(connection, tasks=["shop.resize"])
    enqueue(connection, "shop.old.resize")
    enqueue(connection, "shop.resize")
    (finding,) = look("tasks")
    assert finding.status == "problem"
    assert "1 waiting job of task shop.old.resize, which no live worker knows" in finding.text
    assert "aliases" in str(finding.fix)


def test_a_task_at_the_gate_that_no_live_worker_knows(
    connection: Connection, look: Examine
) -> None:
    register(connection, tasks=["shop.resize"])
    enqueue(connection, "shop.old.resize", flow={"fair_key": "a"})
    (finding,) = look("tasks")
    assert "1 waiting job of task shop.old.resize, which no live worker knows" in finding.text


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("UPDATE pgqueue.schedule SET error = 'no such zone'", "nightly is broken: no such zone"),
        ("DELETE FROM pgqueue.worker", "does not tick: no live worker knows its task t"),
        (
            "UPDATE pgqueue.schedule SET next_at = now() - interval '2 hours'",
            "has been due for 2h, and no worker ticks it",
        ),
    ],
)
def test_schedules_that_do_not_tick(
    connection: Connection, look: Examine, fault: str, text: str
) -> None:
    register(connection)
    connection.execute("SELECT pgqueue.put_schedule('nightly', 't', cron => '0 2 * * *')")
    assert look("schedules")[0].text == "1 active schedule, none late."
    connection.execute(fault.encode())
    (finding,) = look("schedules")
    assert finding.status == "problem"
    assert text in finding.text


def test_jobs_that_weigh_more_than_their_limit(connection: Connection, look: Examine) -> None:
    connection.execute("SELECT pgqueue.set_limit('crm', rate => 5, per => '1 minute')")
    connection.execute(MANY, [Jsonb([{"task": "t", "flow": {"limits": {"crm": 10}}}])])
    (finding,) = look("limits")
    assert finding.status == "warning"
    assert (
        "1 waiting job, of up to 10 each, under limit crm, which lets 5 through at once"
        in finding.text
    )


def test_a_rule_that_nobody_uses_is_noted(connection: Connection, look: Examine) -> None:
    connection.execute("SELECT pgqueue.set_limit('stripe', 3)")
    (finding,) = look("limits")
    assert finding.status == "ok"
    assert finding.text == "1 limit, all of which jobs can meet; no job uses stripe now."


def test_jobs_behind_a_pause_that_nobody_set(connection: Connection, look: Examine) -> None:
    worker = register(connection)
    connection.execute("SELECT pgqueue.pause('task', 't')")
    id = enqueue(connection)
    claim(connection, worker)
    assert state(connection, id) == "blocked"
    connection.execute("SELECT * FROM pgqueue.claim_gated('default', 1, %s, '{}')", [worker])
    assert look("blocked")[0].status == "ok", "the pause is there"
    connection.execute("DELETE FROM pgqueue.pause")
    connection.execute("DELETE FROM pgqueue.look")
    (finding,) = look("blocked")
    assert finding.text == "1 job behind pause task:t, which nobody has set."
    assert finding.safe
    connection.execute(str(finding.fix_sql).encode())
    assert look("blocked")[0].status == "ok"


def test_a_gate_that_a_hand_has_damaged(connection: Connection, look: Examine) -> None:
    connection.execute(MANY, [Jsonb([{"task": "t", "flow": {"fair_key": "a"}}])])
    connection.execute("DELETE FROM pgqueue.gate")
    (astray,) = look("blocked")
    assert astray.text == "1 blocked job that the gate does not know."
    connection.execute(str(astray.fix_sql).encode())
    assert look("blocked")[0].status == "ok"
    connection.execute("DELETE FROM pgqueue.job")
    (ghost,) = look("blocked")
    assert ghost.text == "1 row at the gate whose job is gone."
    connection.execute(str(ghost.fix_sql).encode())
    assert look("blocked")[0].status == "ok"


def test_jobs_of_a_limit_that_have_ended_are_no_fault(
    connection: Connection, look: Examine
) -> None:
    worker = register(connection)
    connection.execute("SELECT pgqueue.set_limit('crm', 1)")
    for _ in range(2):
        enqueue(connection, flow={"limits": ["crm"]})
    held = "SELECT count(*) FROM pgqueue.gate WHERE state = 'held'"
    for _ in range(2):
        (claimed,) = claim_gated(connection, worker)
        assert look("blocked")[0].status == "ok", "while it runs"
        complete(connection, claimed)
        assert value(connection, held) == 1, "nobody has settled it yet"
        assert look("blocked")[0].status == "ok", "just after its end"
    connection.execute("SELECT pgqueue.unregister(%s)", [worker])
    assert look("blocked")[0].status == "ok", "after the worker"


def test_jobs_that_wait_behind_a_paused_queue(connection: Connection, look: Examine) -> None:
    enqueue(connection, queue="mail")
    connection.execute("SELECT pgqueue.pause_queue('mail', 'SMTP is down', 'ada')")
    assert look("pauses")[0].status == "ok", "not for long"
    connection.execute(
        "UPDATE pgqueue.job SET run_at = now() - interval '2 hours',"
        " enqueued_at = now() - interval '2 hours'"
    )
    (finding,) = look("pauses")
    assert finding.text == (
        "queue mail: 1 job, the first for 2h, behind a pause without end by ada: SMTP is down."
    )
    assert finding.fix == "pgqueue queues resume mail"
    connection.execute("SELECT pgqueue.pause_queue('mail', until => now() + interval '1 hour')")
    assert look("pauses")[0].status == "ok", "it has an end"


def test_jobs_that_wait_behind_a_paused_task(connection: Connection, look: Examine) -> None:
    worker = register(connection)
    connection.execute("SELECT pgqueue.pause('task', 't', NULL, 'ada')")
    enqueue(connection)
    claim(connection, worker)
    connection.execute("SELECT * FROM pgqueue.claim_gated('default', 1, %s, '{}')", [worker])
    connection.execute(
        "UPDATE pgqueue.job SET run_at = now() - interval '2 hours',"
        " enqueued_at = now() - interval '2 hours'"
    )
    (finding,) = look("pauses")
    assert finding.fix == "pgqueue resume task t"
    assert value(connection, "SELECT pgqueue.resume('task', 't')") is True
    assert look("pauses")[0].status == "ok"
