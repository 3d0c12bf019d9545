"""Every SKIP LOCKED of the schema: nobody waits for a row that somebody else has locked.

Each case runs twice. With the guard the call returns at once, without it the lock is in its way.
"""

from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from tests.support import definition_of, register, rows

Connection = psycopg.Connection[Any]

CLAIM = "SELECT * FROM pgqueue.claim('default', 1, 1, '{}', '{0}', '{0}', '{0}')"
CLAIM_GATED = "SELECT * FROM pgqueue.claim_gated('default', 1, 1, '{}')"
ENQUEUE = "SELECT pgqueue.enqueue('t')"
LIMITED = """SELECT pgqueue.enqueue('t', flow => '{"limits": ["x"]}')"""
ORDERED = """SELECT pgqueue.enqueue('t', flow => '{"order_key": "k"}')"""
EXPIRING = """SELECT pgqueue.enqueue('t', flow => '{"expires_in": "1 hour"}')"""
UNIQUE = """SELECT pgqueue.enqueue('t', flow => '{"unique": {"key": "k"}}')"""
TIMED = """SELECT pgqueue.enqueue('t', flow => '{"unique": {"key": "k", "for": "1 hour"}}')"""
ONE_AT_A_TIME = "SELECT pgqueue.set_limit('x', concurrency => 1)"
LATE = "UPDATE pgqueue.gate SET expires_at = now()"
FAIL = "SELECT pgqueue.fail(id, lease, NULL, 'E', 'm') FROM pgqueue.job"
SCHEDULE = "SELECT pgqueue.put_schedule('s', 't', every => '1 hour')"
TICK = (
    "SELECT pgqueue.tick(name, changed_at, next_at, ARRAY[created_at], NULL) FROM pgqueue.schedule"
)

COUNT = """SELECT pgqueue.count_attempts('[{"queue": "default", "task": "t", "dead": 1}]')"""
ACT = "SELECT pgqueue.record_action('ann', 'sql', 'retry', '{}')"


class Case(NamedTuple):
    function: str
    number: int
    before: list[str]
    locked: str
    call: str


CASES = [
    Case("claim", 1, [ENQUEUE], "job", CLAIM),
    Case("sift", 1, ["SELECT pgqueue.set_limit('task', concurrency => 9)", ENQUEUE], "job", CLAIM),
    Case(
        "held",
        1,
        [ENQUEUE, CLAIM],
        "job",
        "SELECT pgqueue.held(ARRAY[id], ARRAY[lease]) FROM pgqueue.job",
    ),
    Case("look_again", 1, [], "queue", "SELECT pgqueue.look_again('default')"),
    Case(
        "promote",
        1,
        [ENQUEUE, "UPDATE pgqueue.job SET ready_xid = NULL"],
        "job",
        "SELECT pgqueue.promote()",
    ),
    Case(
        "rescue",
        1,
        ["UPDATE pgqueue.worker SET seen_at = '2020-01-01'"],
        "worker",
        "SELECT pgqueue.rescue()",
    ),
    Case(
        "rescue",
        2,
        [ENQUEUE, CLAIM, "DELETE FROM pgqueue.worker"],
        "job",
        "SELECT pgqueue.rescue(true)",
    ),
    Case("await_job", 1, [ENQUEUE], "job", "SELECT pgqueue.await_job(1)"),
    Case(
        "report_progress",
        1,
        [ENQUEUE, CLAIM],
        "job",
        "SELECT pgqueue.report_progress(id, lease, '{}') FROM pgqueue.job",
    ),
    Case(
        "prune",
        1,
        [ENQUEUE, CLAIM, FAIL, "UPDATE pgqueue.job_dead SET finished_at = '2020-01-01'"],
        "job_dead",
        "SELECT pgqueue.prune()",
    ),
    Case(
        "prune",
        2,
        [
            ENQUEUE,
            CLAIM,
            FAIL,
            "UPDATE pgqueue.failure SET failed_at = '2020-01-01'",
            "DELETE FROM pgqueue.job_dead",
        ],
        "failure",
        "SELECT pgqueue.prune()",
    ),
    Case(
        "prune_keys",
        1,
        [TIMED, "UPDATE pgqueue.unique_key SET until = now()"],
        "unique_key",
        "SELECT pgqueue.prune_keys(1)",
    ),
    Case(
        "prune_keys",
        2,
        [UNIQUE, "DELETE FROM pgqueue.job"],
        "unique_key",
        "SELECT pgqueue.prune_keys(1)",
    ),
    Case("tick", 1, [SCHEDULE], "schedule", TICK),
    Case(
        "break_schedule",
        1,
        [SCHEDULE],
        "schedule",
        "SELECT pgqueue.break_schedule(name, changed_at, 'no') FROM pgqueue.schedule",
    ),
    Case(
        "prune_schedules",
        1,
        [SCHEDULE, TICK, "UPDATE pgqueue.tick SET made_at = '2020-01-01', tick = '2020-01-01'"],
        "tick",
        "SELECT pgqueue.prune_schedules(1)",
    ),
    Case(
        "prune_schedules",
        2,
        [SCHEDULE, "UPDATE pgqueue.schedule SET ended_at = '2020-01-01', declared = false"],
        "schedule",
        "SELECT pgqueue.prune_schedules(1)",
    ),
    Case(
        "end_pauses",
        1,
        [
            "SELECT pgqueue.pause('task', 't', until => now() + interval '1 hour')",
            "UPDATE pgqueue.pause SET until = now()",
        ],
        "pause",
        "SELECT pgqueue.end_pauses()",
    ),
    Case("raise_aged", 1, [ENQUEUE], "job", "SELECT pgqueue.raise_aged(ARRAY[1::bigint], 1)"),
    Case(
        "settle",
        1,
        [LIMITED, CLAIM_GATED, "DELETE FROM pgqueue.job"],
        "gate",
        "SELECT pgqueue.settle()",
    ),
    Case(
        "settle",
        2,
        [ORDERED, CLAIM_GATED, "DELETE FROM pgqueue.job"],
        "gate",
        "SELECT pgqueue.settle()",
    ),
    Case(
        "settle",
        3,
        [ONE_AT_A_TIME, LIMITED, CLAIM_GATED, "DELETE FROM pgqueue.job"],
        "slot",
        "SELECT pgqueue.settle()",
    ),
    Case(
        "open_next",
        1,
        [ORDERED, ORDERED, CLAIM_GATED, CLAIM_GATED],
        "gate",
        "SELECT pgqueue.open_next('default', 'k')",
    ),
    Case(
        "open_closed",
        1,
        [ONE_AT_A_TIME, LIMITED, LIMITED, CLAIM_GATED, CLAIM_GATED],
        "gate",
        "SELECT pgqueue.open_closed('x', 1)",
    ),
    Case("reopen", 1, ["SELECT pgqueue.look_at('x', now())"], "look", "SELECT pgqueue.reopen()"),
    Case("expire", 1, [EXPIRING, LATE], "gate", "SELECT pgqueue.expire()"),
    Case("expire", 2, [EXPIRING, LATE], "job", "SELECT pgqueue.expire()"),
    Case("pick", 1, [LIMITED], "job", CLAIM_GATED),
    Case(
        "turn_away",
        1,
        [
            "SELECT pgqueue.set_limit('x', concurrency => 1, when_full => 'cancel_running')",
            LIMITED,
            CLAIM_GATED,
        ],
        "job",
        "SELECT pgqueue.turn_away(2, 'x', 0)",
    ),
    Case(
        "mend_gate", 1, [LIMITED, "DELETE FROM pgqueue.job"], "gate", "SELECT pgqueue.mend_gate()"
    ),
    Case(
        "mend_gate",
        2,
        [ORDERED, "UPDATE pgqueue.gate SET state = 'closed', blocker = 'order'"],
        "gate",
        "SELECT pgqueue.mend_gate()",
    ),
    Case(
        "prune_gate",
        1,
        [
            "INSERT INTO pgqueue.share VALUES ('default', 'a', 1)",
            "INSERT INTO pgqueue.fair_line VALUES ('default', 1)",
        ],
        "share",
        "SELECT pgqueue.prune_gate(1)",
    ),
    Case(
        "prune_gate",
        2,
        ["INSERT INTO pgqueue.bucket (name) VALUES ('x')"],
        "bucket",
        "SELECT pgqueue.prune_gate(1)",
    ),
    Case(
        "prune_gate",
        3,
        ["INSERT INTO pgqueue.rated_start VALUES ('x', '2020-01-01', 1)"],
        "rated_start",
        "SELECT pgqueue.prune_gate(1)",
    ),
]
CASES += [
    Case(
        "prune_statistics",
        1,
        [COUNT, "UPDATE pgqueue.statistic SET at = '2020-01-01'"],
        "statistic",
        "SELECT pgqueue.prune_statistics(1)",
    ),
    Case(
        "prune_statistics",
        2,
        ["INSERT INTO pgqueue.queue_sample (at, queue) VALUES ('2020-01-01', 'default')"],
        "queue_sample",
        "SELECT pgqueue.prune_statistics(1)",
    ),
    Case(
        "prune_audit",
        1,
        [ACT, "UPDATE pgqueue.audit SET at = '2020-01-01'"],
        "audit",
        "SELECT pgqueue.prune_audit(1)",
    ),
]


def named(case: Case) -> str:
    return f"{case.function}-{case.number}"


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "unguarded"])
@pytest.mark.parametrize("case", CASES, ids=named)
def test_nobody_waits(connection: Connection, other: Connection, case: Case, guarded: bool) -> None:
    register(connection)
    for statement in case.before:
        connection.execute(statement.encode())
    if not guarded:
        parts = definition_of(connection, case.function).split(" SKIP LOCKED")
        parts[case.number - 1 : case.number + 1] = [
            "".join(parts[case.number - 1 : case.number + 1])
        ]
        connection.execute(" SKIP LOCKED".join(parts).encode())
    connection.execute("SET lock_timeout = '200ms'")
    with other.transaction():
        locked = other.execute(f"SELECT FROM pgqueue.{case.locked} FOR UPDATE".encode())
        assert locked.rowcount > 0
        if guarded:
            connection.execute(case.call.encode())
        else:
            with pytest.raises(LockNotAvailable):
                connection.execute(case.call.encode())


def test_every_one_has_a_case(connection: Connection) -> None:
    found = rows(
        connection,
        "SELECT p.proname AS function, count(*) AS guards "
        "FROM pg_proc p, regexp_matches(p.prosrc, 'SKIP LOCKED', 'g') "
        "WHERE p.pronamespace = 'pgqueue'::regnamespace GROUP BY p.oid, p.proname",
    )
    cases = [(case.function, case.number) for case in CASES]
    assert sorted(cases) == sorted(
        (each["function"], number) for each in found for number in range(1, each["guards"] + 1)
    )
