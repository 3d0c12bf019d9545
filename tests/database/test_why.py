"""Why a job does not run: one true sentence for each cause, alone and combined.

The sentences are a contract. Instants in them are compared by one test only; elsewhere T stands for
any.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.support import (
    claim,
    claim_gated,
    claim_one,
    complete,
    enqueue,
    expire,
    register,
    rows,
    value,
)

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def why(connection: Connection, id: int) -> str:
    """The sentence, with T for every instant."""
    return INSTANT.sub("T", value(connection, "SELECT pgqueue.why(%s)", id))


def codes(connection: Connection, id: int) -> list[str]:
    return [found["code"] for found in rows(connection, "SELECT * FROM pgqueue.reasons(%s)", id)]


def details(connection: Connection, id: int) -> Any:
    """The details of the first reason."""
    return rows(connection, "SELECT * FROM pgqueue.reasons(%s)", id)[0]["details"]


def fail(connection: Connection, claimed: dict[str, Any], delay: str | None = "1 hour") -> None:
    query = "SELECT pgqueue.fail(%s, %s, %s, 'ValueError', 'boom')"
    assert value(connection, query, claimed["id"], claimed["lease"], delay)


def pause(connection: Connection, kind: str, name: str, **options: Any) -> None:
    given = {"paused_by": "ann"} | options
    arguments = "".join(f", {option} => %s" for option in given)
    value(connection, f"SELECT pgqueue.pause(%s, %s{arguments})", kind, name, *given.values())


# Jobs that are over


def test_a_job_that_succeeded(connection: Connection) -> None:
    id = enqueue(connection)
    complete(connection, claim_one(connection))
    assert why(connection, id) == "It succeeded at T, in attempt 1 of 20."
    assert codes(connection, id) == ["succeeded"]


def test_a_dead_job(connection: Connection) -> None:
    id = enqueue(connection, max_attempts=3)
    fail(connection, claim_one(connection), None)
    assert why(connection, id) == (
        "It is dead since T, after attempt 1 of 3: ValueError: boom; it runs again if it is "
        "retried."
    )
    assert codes(connection, id) == ["dead"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [(None, ""), ("by mistake.", ": by mistake"), ("one\ntwo", ": one"), (" \n", "")],
)
def test_a_cancelled_job(connection: Connection, reason: str | None, told: str) -> None:
    id = enqueue(connection)
    value(connection, "SELECT pgqueue.cancel(%s, %s)", id, reason)
    assert why(connection, id) == f"It was cancelled at T{told}; it runs again if it is retried."
    assert codes(connection, id) == ["cancelled"]


# Jobs that are not there


def test_a_number_that_was_never_given(connection: Connection) -> None:
    assert why(connection, 1) == "Job 1 was never enqueued: no number was given yet."
    last = enqueue(connection)
    assert why(connection, last + 1) == (
        f"Job {last + 1} was never enqueued: the last number given is {last}."
    )
    assert why(connection, 0) == "Job 0 was never enqueued: numbers begin at 1."
    assert codes(connection, 99) == ["never_enqueued"]


def test_a_job_that_is_not_committed(connection: Connection, other: Connection) -> None:
    unseen = (
        "cannot be seen: the transaction that enqueues it has not committed or was rolled back, or "
        "the job is over and not kept any more."
    )
    with other.transaction(force_rollback=True):
        id = enqueue(other)
        assert why(connection, id) == f"Job {id} {unseen}"
        assert codes(other, id) == ["queue_without_worker"]
    assert codes(connection, id) == ["not_visible"]


def test_a_job_that_is_not_kept(connection: Connection) -> None:
    connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL")
    id = enqueue(connection)
    worker = register(connection)
    fail(connection, claim_one(connection, worker), "0 s")
    value(connection, "SELECT pgqueue.promote()")
    complete(connection, claim_one(connection, worker))
    assert why(connection, id) == (
        f"Job {id} is over and not kept any more; its last failed attempt was at T."
    )
    assert codes(connection, id) == ["not_kept"]


# Jobs that run


def test_a_running_job(connection: Connection) -> None:
    id = enqueue(connection)
    worker = register(connection, name="web-1")
    claim_one(connection, worker)
    runs = (
        f'It runs since T on worker "web-1" ({worker}), in attempt 1 of 20; the worker was last '
        "seen at T."
    )
    assert why(connection, id) == runs
    value(connection, "SELECT pgqueue.cancel(%s, 'enough')", id)
    assert why(connection, id) == f"{runs} It was asked to stop at T: enough."
    assert codes(connection, id) == ["running", "cancelling"]


def test_a_lost_worker(connection: Connection) -> None:
    id = enqueue(connection)
    worker = register(connection, name="web-1")
    claim_one(connection, worker)
    expire(connection, worker)
    assert why(connection, id) == (
        f'Worker "web-1" ({worker}), which began it at T, is lost: it was last seen at T; any live '
        "worker takes the job back within seconds."
    )
    assert codes(connection, id) == ["worker_lost"]
    connection.execute("DELETE FROM pgqueue.worker")
    assert why(connection, id) == (
        f"Worker {worker}, which began it at T, is gone; any live worker takes the job back within "
        "two minutes."
    )
    assert codes(connection, id) == ["worker_lost"]


# Jobs that wait for their time


def test_a_scheduled_job(connection: Connection) -> None:
    register(connection)
    id = enqueue(connection, run_at="2100-01-02 03:04:05+00")
    assert value(connection, "SELECT pgqueue.why(%s)", id) == (
        "It is scheduled for 2100-01-02 03:04:05 UTC."
    )
    assert codes(connection, id) == ["scheduled"]
    found = datetime.fromisoformat(details(connection, id)["run_at"])
    assert found == datetime(2100, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_retrying_job(connection: Connection) -> None:
    id = enqueue(connection)
    fail(connection, claim_one(connection))
    assert why(connection, id) == "It is retried at T, after attempt 1 of 20: ValueError: boom."
    assert codes(connection, id) == ["retrying"]
    assert details(connection, id)["error"] == "ValueError: boom"


def test_a_job_that_is_due(connection: Connection) -> None:
    id = enqueue(connection, run_at="2100-01-01")
    connection.execute("UPDATE pgqueue.job SET run_at = now()")
    assert why(connection, id) == (
        "It was due at T, but no worker is alive that could put it in line. "
        'Then no live worker serves queue "default": there is no live worker.'
    )
    register(connection)
    assert (
        why(connection, id) == "It was due at T, and a live worker puts it in line within seconds."
    )
    assert codes(connection, id) == ["due"]


# Pauses


def test_a_paused_queue(connection: Connection) -> None:
    register(connection)
    id = enqueue(connection)
    value(connection, "SELECT pgqueue.pause_queue('default', 'flood', 'ann')")
    assert why(connection, id) == (
        'Queue "default" is paused since T by ann: flood; it goes on when it is resumed.'
    )
    assert codes(connection, id) == ["queue_paused"]
    pause_queue = "SELECT pgqueue.pause_queue('default', until => %s, paused_by => 'bob')"
    value(connection, pause_queue, "2100-01-02 03:04:05+00")
    assert value(connection, "SELECT pgqueue.why(%s)", id).endswith(
        " by bob; it goes on at 2100-01-02 03:04:05 UTC."
    )
    connection.execute("UPDATE pgqueue.queue SET paused_until = now() - interval '1 s'")
    assert codes(connection, id) == ["next"]


@pytest.mark.parametrize("kind", ["task", "tag", "tenant"])
def test_other_pauses(connection: Connection, kind: str) -> None:
    worker = register(connection)
    name = {"task": "t", "tag": "slow", "tenant": "acme"}[kind]
    id = enqueue(connection, tags=["slow"], flow={"fair_key": "acme"})
    pause(connection, kind, name, until="2100-01-02 03:04:05+00")
    sentence = value(connection, "SELECT pgqueue.why(%s)", id)
    assert sentence.startswith(f'{kind.title()} "{name}" is paused since ')
    assert sentence.endswith(" by ann; it goes on at 2100-01-02 03:04:05 UTC.")
    assert claim_gated(connection, worker) == []
    assert codes(connection, id) == [f"{kind}_paused"]
    assert details(connection, id)["name"] == name
    pause(connection, kind, name, reason="abuse")
    assert why(connection, id) == (
        f'{kind.title()} "{name}" is paused since T by ann: abuse; it goes on when it is resumed.'
    )
    value(connection, "SELECT pgqueue.resume(%s, %s)", kind, name)
    assert codes(connection, id) == ["next"]


def test_pauses_of_others_are_not_its_reason(connection: Connection) -> None:
    register(connection)
    id = enqueue(connection, tags=["slow"], flow={"fair_key": "acme"})
    for kind, name in (("task", "slow"), ("tag", "acme"), ("tenant", "t"), ("tenant", "slow")):
        pause(connection, kind, name)
    assert codes(connection, id) == ["next"]


# Workers


def test_no_worker_serves_the_queue(connection: Connection) -> None:
    id = enqueue(connection, queue="mail")
    nobody = 'No live worker serves queue "mail": '
    assert why(connection, id) == f"{nobody}there is no live worker."
    register(connection, queues=["default", "report"])
    assert why(connection, id) == f'{nobody}they serve "default", "report".'
    register(connection, queues=list("abcdef"))
    assert why(connection, id) == f'{nobody}they serve "a", "b", "c", "d", "default" and 3 more.'
    assert codes(connection, id) == ["queue_without_worker"]


def test_lost_and_draining_workers_serve_nothing(connection: Connection) -> None:
    id = enqueue(connection)
    expire(connection, register(connection))
    assert codes(connection, id) == ["queue_without_worker"]
    register(connection)
    assert codes(connection, id) == ["next"]
    connection.execute("UPDATE pgqueue.worker SET draining_at = now()")
    assert codes(connection, id) == ["queue_without_worker"]


@pytest.mark.parametrize(
    ("task", "hint"),
    [
        ("sned_mail", ' Did you mean "send_mail"?'),
        ("send_mial", ' Did you mean "send_mail"?'),
        ("report", ""),
    ],
)
def test_no_worker_knows_the_task(connection: Connection, task: str, hint: str) -> None:
    register(connection, tasks=["send_mail", "send_nail_polish", "zap"])
    id = enqueue(connection, task)
    assert why(connection, id) == (f'No live worker of queue "default" knows task "{task}".{hint}')
    assert codes(connection, id) == ["unknown_task"]


def test_a_worker_without_tasks(connection: Connection) -> None:
    register(connection, tasks=[])
    id = enqueue(connection)
    assert why(connection, id) == 'No live worker of queue "default" knows task "t".'


# Open transactions


def test_a_locked_row(connection: Connection, other: Connection) -> None:
    worker = register(connection)
    id = enqueue(connection)
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job FOR UPDATE")
        assert claim(connection, worker) == []
        pid = other.info.backend_pid
        assert why(connection, id) == (
            f"Its row is locked by an open transaction (process {pid}, \"the test's other "
            'connection"); no worker takes it before that ends.'
        )
        assert codes(connection, id) == ["locked"]
    assert codes(connection, id) == ["next"]


# Turns


def test_the_line(connection: Connection) -> None:
    worker = register(connection)
    ids = [enqueue(connection) for _ in range(4)]
    important = enqueue(connection, priority=3)
    enqueue(connection, queue="other", priority=9)
    enqueue(connection, priority=-1)
    next = 'It is next in queue "default", and runs as soon as a worker has room.'
    turn = 'It waits for its turn behind {} of queue "default" with priority 0 or higher.'
    assert why(connection, important) == next
    assert why(connection, ids[0]) == turn.format("1 job")
    assert why(connection, ids[3]) == turn.format("4 jobs")
    claim(connection, worker, 3)
    assert why(connection, ids[2]) == next
    assert why(connection, ids[3]) == turn.format("1 job")
    assert codes(connection, ids[3]) == ["turn"]


@pytest.mark.parametrize("priority", [0, 5])
def test_a_long_line_is_counted_up_to_a_thousand(connection: Connection, priority: int) -> None:
    register(connection)
    insert = "INSERT INTO pgqueue.job (task, priority) SELECT 't', %s FROM generate_series(1, %s)"
    connection.execute(insert, [priority, 1000])
    id = enqueue(connection)
    turn = 'It waits for its turn behind {} of queue "default" with priority 0 or higher.'
    assert why(connection, id) == turn.format("1000 jobs")
    connection.execute(insert, [10, 1])
    assert why(connection, id) == turn.format("more than 1000 jobs")
    assert details(connection, id) == {"queue": "default", "ahead": 1000, "more": True}


# The gate


def test_the_head_of_its_order_key(connection: Connection) -> None:
    worker = register(connection)
    ids = [enqueue(connection, flow={"order_key": "c 42"}) for _ in range(3)]
    behind = 'It waits behind {} of its order_key "c 42": job {} {}.'
    assert why(connection, ids[1]).startswith(behind.format("1 job", ids[0], "waits, too"))
    (first,) = claim_gated(connection, worker, 3)
    assert why(connection, ids[1]) == behind.format("1 job", ids[0], "is running")
    assert why(connection, ids[2]) == behind.format("2 jobs", ids[0], "is running")
    assert codes(connection, ids[2]) == ["order"]
    fail(connection, first)
    claim_gated(connection, worker)
    assert why(connection, ids[1]) == behind.format("1 job", ids[0], "is retried at T")
    assert details(connection, ids[1])["job_id"] == ids[0]
    value(connection, "SELECT pgqueue.cancel(%s)", ids[0])
    assert codes(connection, ids[1]) == ["next"]


def test_who_runs_although_it_is_later_is_named(connection: Connection) -> None:
    worker = register(connection)
    flow = {"order_key": "k", "on_failure": "skip"}
    first, second = (enqueue(connection, flow=flow) for _ in range(2))
    (claimed,) = claim_gated(connection, worker)
    fail(connection, claimed)
    assert [found["id"] for found in claim_gated(connection, worker, 2)] == [second]
    value(connection, "SELECT pgqueue.retry(%s)", first)
    assert why(connection, first) == (
        f'It waits behind 1 job of its order_key "k": job {second} is running.'
    )


def test_a_head_that_came_back_is_known_before_the_gate_knows(connection: Connection) -> None:
    worker = register(connection)
    first, second = (enqueue(connection, flow={"order_key": "k"}) for _ in range(2))
    (claimed,) = claim_gated(connection, worker)
    release = "SELECT pgqueue.release(ARRAY[%s::bigint], ARRAY[%s::bigint])"
    value(connection, release, first, claimed["lease"])
    behind = f'It waits behind 1 job of its order_key "k": job {first} '
    assert why(connection, second) == f"{behind}waits, too."
    (claimed,) = claim_gated(connection, worker)
    snooze = "SELECT pgqueue.snooze(%s, %s, '1 hour')"
    value(connection, snooze, first, claimed["lease"])
    assert why(connection, second) == f"{behind}is scheduled for T."
    assert codes(connection, first) == ["scheduled"]


def test_a_full_limit(connection: Connection) -> None:
    worker = register(connection)
    value(connection, "SELECT pgqueue.set_limit('stripe', concurrency => 2)")
    ids = [enqueue(connection, flow={"limits": ["stripe"]}) for _ in range(3)]
    running = claim_gated(connection, worker, 3)
    assert len(running) == 2
    assert why(connection, ids[2]) == (
        f'Limit "stripe" of 2 at once is full: held by jobs {ids[0]}, {ids[1]}; it has room when '
        "one ends."
    )
    assert codes(connection, ids[2]) == ["limit"]
    assert details(connection, ids[2])["held_by"] == ids[:2]
    complete(connection, running[0])
    assert codes(connection, ids[2]) == ["next"], "a place is free already"


def test_the_limit_of_a_key_with_many_holders(connection: Connection) -> None:
    worker = register(connection)
    value(connection, "SELECT pgqueue.set_limit('tenant', concurrency => 6)")
    flow = {"limits": ["tenant:42"]}
    ids = [enqueue(connection, flow=flow) for _ in range(7)]
    assert value(connection, "SELECT token FROM pgqueue.acquire('tenant:42')")
    assert len(claim_gated(connection, worker, 9)) == 5
    assert why(connection, ids[6]) == (
        f'Limit "tenant:42" of 6 at once is full: held by jobs {ids[0]}, {ids[1]}, {ids[2]} and 2 '
        "more, and 1 holder outside of jobs; it has room when one ends. Then it waits for its "
        'turn behind 1 job of queue "default" with priority 0 or higher.'
    )


def test_the_limit_of_a_task_holds_plain_jobs(connection: Connection) -> None:
    worker = register(connection)
    value(connection, "SELECT pgqueue.set_limit('task:t', concurrency => 1)")
    first, second = (enqueue(connection) for _ in range(2))
    assert claim(connection, worker, 2) == []
    assert len(claim_gated(connection, worker, 2)) == 1
    assert why(connection, second) == (
        f'Limit "task:t" of 1 at once is full: held by job {first}; it has room when one ends.'
    )


@pytest.mark.parametrize("sliding", [False, True])
def test_a_rate(connection: Connection, sliding: bool) -> None:
    worker = register(connection)
    set_limit = "SELECT pgqueue.set_limit('api', rate => 2, per => '1 hour', sliding => %s)"
    value(connection, set_limit, sliding)
    ids = [enqueue(connection, flow={"limits": ["api"]}) for _ in range(3)]
    for claimed in claim_gated(connection, worker, 3):
        complete(connection, claimed)
    assert why(connection, ids[2]) == (
        'Limit "api" of 2 per 3600 s is used up; it has room again at T.'
    )
    assert codes(connection, ids[2]) == ["rate"]
    room_at = datetime.fromisoformat(details(connection, ids[2])["room_at"])
    seconds = (room_at - value(connection, "SELECT now()")).total_seconds()
    assert (3000 if sliding else 1200) < seconds <= (3600 if sliding else 1800)


def test_other_tenants(connection: Connection) -> None:
    register(connection)
    ids = [enqueue(connection, flow={"fair_key": key}) for key in ("a", "a", "b", "c")]
    shares = 'which takes turns with 2 others in queue "default".'
    assert why(connection, ids[0]) == f'It is the next of tenant "a", {shares}'
    assert why(connection, ids[1]) == f'It waits behind 1 job of tenant "a", {shares}'
    assert codes(connection, ids[1]) == ["fair_share"]
    lone = enqueue(connection, flow={"limits": ["x"]})
    assert why(connection, lone) == (
        "It is the next of the jobs without a tenant, which take turns with 3 others in queue "
        '"default".'
    )


def test_the_line_at_the_gate(connection: Connection) -> None:
    register(connection)
    insert = """
        SELECT count(pgqueue.enqueue('t', flow => '{"limits": ["x"]}', priority => 1))
        FROM generate_series(1, %s)
    """
    value(connection, insert, 999)
    same = enqueue(connection, flow={"limits": ["x"]})
    id = enqueue(connection, flow={"limits": ["x"]})
    turn = 'It waits for its turn behind {} of queue "default" with priority 0 or higher.'
    assert why(connection, same) == turn.format("999 jobs")
    assert why(connection, id) == turn.format("1000 jobs")
    value(connection, insert, 1)
    assert why(connection, id) == turn.format("more than 1000 jobs")


def test_expiry(connection: Connection) -> None:
    register(connection)
    id = enqueue(connection, flow={"expires_in": "1 hour"})
    assert why(connection, id) == (
        'It is next in queue "default", and runs as soon as a worker has room. '
        "It is cancelled unless it starts by T."
    )
    assert codes(connection, id) == ["next", "expires"]
    late = enqueue(connection, flow={"expires_at": "2020-01-01T00:00:00Z"})
    assert why(connection, late) == (
        "It was to start by T, and is cancelled at the next look at the gate."
    )
    assert codes(connection, late) == ["expired"]


def test_there_is_nothing_to_say_of_no_job(connection: Connection) -> None:
    assert value(connection, "SELECT pgqueue.why(NULL)") is None
    assert rows(connection, "SELECT * FROM pgqueue.reasons(NULL)") == []


def test_an_expiry_before_its_time(connection: Connection) -> None:
    """Whatever moved it there: an operator, or a worker that was late."""
    register(connection)
    id = enqueue(connection, run_at="2100-01-01", flow={"expires_at": "2100-01-02T00:00:00Z"})
    in_time = "It is scheduled for T. It is cancelled unless it starts by T."
    assert why(connection, id) == in_time
    too_late = "It cannot start by T, as it has to, and is cancelled when it comes to the gate."
    connection.execute("UPDATE pgqueue.job SET run_at = '2100-01-03'")
    assert why(connection, id) == f"It is scheduled for T. {too_late}"
    assert codes(connection, id) == ["scheduled", "expires"]
    connection.execute("""UPDATE pgqueue.job SET flow = '{"expires_at": "2020-01-01"}'""")
    assert why(connection, id) == f"It is scheduled for T. {too_late}"
    connection.execute("UPDATE pgqueue.job SET run_at = '2020-01-02'")
    assert why(connection, id) == (
        f"It was due at T, and a live worker puts it in line within seconds. {too_late}"
    )


def test_an_expiry_is_about_the_first_start(connection: Connection) -> None:
    worker = register(connection)
    id = enqueue(connection, flow={"expires_in": "1 hour"})
    (claimed,) = claim_gated(connection, worker)
    failed = "SELECT pgqueue.fail(%s, %s, '2 hours', 'E', 'm')"
    value(connection, failed, id, claimed["lease"])
    assert codes(connection, id) == ["retrying"]


# Several at once


def test_the_first_that_must_go_away_comes_first(connection: Connection) -> None:
    flow = {"fair_key": "acme", "expires_at": "2100-01-02T00:00:00Z"}
    id = enqueue(
        connection, run_at=datetime(2100, 1, 1, tzinfo=UTC), tags=["slow", "big"], flow=flow
    )
    value(connection, "SELECT pgqueue.pause_queue('default', 'flood', 'ann')")
    for kind, name in (("tenant", "acme"), ("tag", "slow"), ("task", "t"), ("tag", "big")):
        pause(connection, kind, name)
    paused = "is paused since T by ann{}; it goes on when it is resumed."
    assert why(connection, id) == " ".join(
        [
            "It is scheduled for T.",
            f'Then queue "default" {paused.format(": flood")}',
            *(
                f"Then {what} {paused.format('')}"
                for what in ('task "t"', 'tag "big"', 'tag "slow"', 'tenant "acme"')
            ),
            'Then no live worker serves queue "default": there is no live worker.',
            "It is cancelled unless it starts by T.",
        ]
    )
    assert codes(connection, id) == [
        *("scheduled", "queue_paused", "task_paused", "tag_paused", "tag_paused", "tenant_paused"),
        *("queue_without_worker", "expires"),
    ]


def test_everything_at_the_gate_at_once(connection: Connection) -> None:
    worker = register(connection)
    value(connection, "SELECT pgqueue.set_limit('stripe', concurrency => 1)")
    value(connection, "SELECT pgqueue.set_limit('api', rate => 1, per => '1 day')")
    flow = {"order_key": "k", "fair_key": "a", "limits": ["stripe", "api"]}
    first, second = (enqueue(connection, flow=flow) for _ in range(2))
    enqueue(connection, flow={"fair_key": "b"})
    assert [found["id"] for found in claim_gated(connection, worker, 1)] == [first]
    pause(connection, "tenant", "a")
    assert codes(connection, second) == ["tenant_paused", "order", "rate", "limit", "fair_share"]
    connection.execute("DELETE FROM pgqueue.worker")
    assert "queue_without_worker" in codes(connection, second)


def test_a_job_in_line_that_nobody_takes(connection: Connection) -> None:
    enqueue(connection)
    id = enqueue(connection)
    assert why(connection, id) == (
        'No live worker serves queue "default": there is no live worker. Then it waits for its '
        'turn behind 1 job of queue "default" with priority 0 or higher.'
    )


# Anybody may ask


def test_it_only_reads(connection: Connection, connect: Connect) -> None:
    worker = register(connection)
    value(connection, "SELECT pgqueue.set_limit('api', rate => 1, per => '1 day', sliding => true)")
    value(connection, "SELECT pgqueue.set_limit('x', concurrency => 1)")
    flow = {"order_key": "k", "fair_key": "a", "limits": ["api", "x"], "expires_in": "1 day"}
    ids = [enqueue(connection, flow=flow) for _ in range(2)]
    ids += [enqueue(connection), enqueue(connection, run_at="2100-01-01")]
    claim_gated(connection, worker)
    pause(connection, "task", "t")
    connection.execute("CREATE ROLE reader")
    try:
        connection.execute("GRANT USAGE ON SCHEMA pgqueue TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA pgqueue TO reader")
        reader = connect(autocommit=False)
        reader.execute("SET ROLE reader")
        reader.execute("SET TRANSACTION READ ONLY")
        assert [codes(reader, id) for id in (*ids, 99)] == [
            ["running"],
            ["task_paused", "order", "rate", "limit", "expires"],
            ["task_paused"],
            ["scheduled", "task_paused"],
            ["not_visible"],
        ]
        ours = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode ~ %s"
        assert value(reader, ours, "Row(Share|Excl)") == 0
        reader.close()
    finally:
        connection.execute("DROP OWNED BY reader")
        connection.execute("DROP ROLE reader")
