"""Pauses of tasks, tags and tenants: who waits, who does not, and how they come back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, InvalidParameterValue, LockNotAvailable

from tests.support import (
    claim,
    claim_gated,
    complete,
    enqueue,
    heard,
    register,
    row,
    rows,
    state,
    value,
    values,
)
from tests.support.scanning import Scanner

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
KINDS = {"task": "slow", "tag": "big", "tenant": "acme"}


@pytest.fixture
def worker(connection: Connection) -> int:
    return register(connection, tasks=["slow", "t"])


def pause(connection: Connection, kind: str, name: str, **options: Any) -> None:
    arguments = "".join(f", {option} => %s" for option in options)
    value(connection, f"SELECT pgqueue.pause(%s, %s{arguments})", kind, name, *options.values())


def resume(connection: Connection, kind: str, name: str) -> bool:
    return bool(value(connection, "SELECT pgqueue.resume(%s, %s)", kind, name))


def one_of(connection: Connection, kind: str) -> int:
    """A job that such a pause is for: plain ones besides those of a tenant."""
    if kind == "task":
        return enqueue(connection, "slow")
    return enqueue(connection, **({"tags": ["a", "big"]} if kind == "tag" else tenant()))


def tenant(name: str = "acme") -> dict[str, Any]:
    return {"flow": {"fair_key": name}}


def next_ids(connection: Connection, worker: int, n: int = 10) -> list[int]:
    """What a worker gets that looks at the line, and at the gate."""
    found = [*claim(connection, worker, n), *claim_gated(connection, worker, n)]
    return sorted(claimed["id"] for claimed in found)


def pass_time(connection: Connection) -> None:
    """Let pauses that end have ended a minute ago."""
    connection.execute(
        "UPDATE pgqueue.pause SET until = now() - interval '1 minute' WHERE until IS NOT NULL"
    )
    connection.execute("UPDATE pgqueue.look SET at = now() - interval '1 minute'")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_paused_waits_and_others_do_not(
    connection: Connection, worker: int, kind: str
) -> None:
    before = one_of(connection, kind)
    pause(connection, kind, KINDS[kind])
    after, other = one_of(connection, kind), enqueue(connection, "t", **tenant("umbrella"))
    plain = enqueue(connection)
    assert next_ids(connection, worker) == [other, plain]
    assert [state(connection, id) for id in (before, after)] == ["blocked", "blocked"]
    assert values(
        connection, "SELECT DISTINCT blocker FROM pgqueue.gate WHERE state = 'closed'"
    ) == [f"pause {kind}:{KINDS[kind]}"]
    assert resume(connection, kind, KINDS[kind])
    assert next_ids(connection, worker) == [before, after]
    assert not resume(connection, kind, KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_running_jobs_go_on(connection: Connection, worker: int, kind: str) -> None:
    id = one_of(connection, kind)
    (claimed,) = [*claim(connection, worker), *claim_gated(connection, worker)]
    pause(connection, kind, KINDS[kind])
    assert state(connection, id) == "running"
    assert complete(connection, claimed) == 1


@pytest.mark.parametrize("kind", ["task", "tag"])
def test_plain_jobs_make_no_detour_afterwards(
    connection: Connection, worker: int, kind: str
) -> None:
    pause(connection, kind, KINDS[kind])
    assert values(connection, "SELECT name FROM pgqueue.detour") == [f"{kind}:{KINDS[kind]}"]
    resume(connection, kind, KINDS[kind])
    assert values(connection, "SELECT name FROM pgqueue.detour") == []
    id = one_of(connection, kind)
    assert [found["id"] for found in claim(connection, worker)] == [id]


def test_a_job_of_two_pauses_waits_for_both(connection: Connection, worker: int) -> None:
    id = enqueue(connection, "slow", tags=["big"], **tenant())
    for kind, name in KINDS.items():
        pause(connection, kind, name)
    for kind, name in KINDS.items():
        assert next_ids(connection, worker) == []
        assert resume(connection, kind, name)
    assert next_ids(connection, worker) == [id]


# Time


@pytest.mark.parametrize("kind", KINDS)
def test_a_pause_ends_by_itself(connection: Connection, worker: int, kind: str) -> None:
    id = one_of(connection, kind)
    pause(
        connection, kind, KINDS[kind], until=value(connection, "SELECT now()") + timedelta(hours=1)
    )
    assert next_ids(connection, worker) == []
    waited = rows(connection, "SELECT * FROM pgqueue.claim_gated('default', 1, %s, '{}')", worker)
    assert 3500 < waited[-1]["waited"] <= 3600, "who sleeps knows until when"
    pass_time(connection)
    assert not resume(connection, kind, "another")
    assert next_ids(connection, worker) == [id]
    assert rows(connection, "SELECT * FROM pgqueue.pauses") == []
    assert not resume(connection, kind, KINDS[kind]), "it was over"


def test_a_pause_may_be_changed_while_it_holds(connection: Connection, worker: int) -> None:
    id = one_of(connection, "task")
    pause(connection, "task", "slow", reason="flood", paused_by="ann")
    assert next_ids(connection, worker) == []
    since = value(connection, "SELECT paused_at FROM pgqueue.pauses")
    soon = value(connection, "SELECT now()") + timedelta(minutes=5)
    pause(connection, "task", "slow", until=soon, paused_by="bob")
    assert row(connection, "SELECT * FROM pgqueue.pauses") == {
        "kind": "task",
        "name": "slow",
        "paused_at": since,
        "paused_by": "bob",
        "reason": None,
        "until": soon,
    }
    pause(connection, "task", "slow", until=soon + timedelta(minutes=5))
    connection.execute("UPDATE pgqueue.look SET at = now() WHERE at = %s", [soon])
    assert next_ids(connection, worker) == [], "it was put off"
    pass_time(connection)
    assert next_ids(connection, worker) == [id]


def test_a_pause_that_no_longer_ends_goes_on(connection: Connection, worker: int) -> None:
    one_of(connection, "task")
    pause(connection, "task", "slow", until="2100-01-01")
    assert next_ids(connection, worker) == []
    pause(connection, "task", "slow")
    pass_time(connection)
    assert next_ids(connection, worker) == []
    assert resume(connection, "task", "slow")
    assert len(next_ids(connection, worker)) == 1


def test_a_pause_after_its_end_is_a_new_one(connection: Connection) -> None:
    pause(connection, "tag", "big", until="2100-01-01")
    connection.execute("UPDATE pgqueue.pause SET paused_at = '2020-01-01', until = '2020-01-02'")
    pause(connection, "tag", "big")
    query = "SELECT now() - paused_at < interval '1 hour' FROM pgqueue.pauses"
    assert value(connection, query) is True


def test_pauses_that_are_over_are_removed(connection: Connection) -> None:
    for kind, name in KINDS.items():
        pause(connection, kind, name, until="2100-01-01")
        pause(connection, kind, f"{name} for ever")
    pass_time(connection)
    assert value(connection, "SELECT pgqueue.end_pauses()") == 3
    assert value(connection, "SELECT pgqueue.end_pauses()") == 0
    assert values(connection, "SELECT name FROM pgqueue.pause ORDER BY kind DESC") == [
        *("acme for ever", "slow for ever", "big for ever")
    ]
    assert values(connection, "SELECT name FROM pgqueue.detour ORDER BY name") == [
        *("tag:big for ever", "task:slow for ever")
    ]


def test_an_operator_with_an_open_transaction_is_not_waited_for(
    connection: Connection, other: Connection, worker: int
) -> None:
    id = enqueue(connection, "slow", **tenant())
    pause(connection, "tag", "big", until="2100-01-01")
    pass_time(connection)
    connection.execute("SET lock_timeout = '20ms'")
    with other.transaction():
        pause(other, "task", "slow")
        pause(other, "tenant", "acme")
        with pytest.raises(LockNotAvailable):
            value(connection, "SELECT pgqueue.end_pauses()")
        assert next_ids(connection, worker) == [id], "it is not committed"
        value(connection, "SELECT pgqueue.mend_gate()")
    assert value(connection, "SELECT pgqueue.end_pauses()") == 1


def test_end_pauses_gives_up_soon(connection: Connection, other: Connection, guard: Guard) -> None:
    guarded = guard("end_pauses", "SET lock_timeout TO '100ms'")
    pause(connection, "tag", "big", until="2100-01-01")
    pass_time(connection)
    connection.execute("SET statement_timeout = '2s'")
    with other.transaction():
        pause(other, "task", "slow")
        error = LockNotAvailable if guarded else psycopg.errors.QueryCanceled
        with pytest.raises(error):
            value(connection, "SELECT pgqueue.end_pauses()")


# Coming back


def test_resume_wakes_who_sleeps(connection: Connection, other: Connection, worker: int) -> None:
    one_of(connection, "tenant")
    pause(connection, "tenant", "acme")
    assert next_ids(connection, worker) == []
    other.execute("LISTEN pgqueue")
    other.execute("SELECT pg_advisory_lock(7077, hashtext('default'))")
    resume(connection, "tenant", "acme")
    assert heard(other, "pgqueue") == [str(value(connection, "SELECT hashtext('default')"))]


def test_resume_frees_what_a_claim_is_closing(
    connection: Connection, other: Connection, worker: int, guard: Guard
) -> None:
    """The claim saw the pause; when the pause ends, it has not committed yet."""
    guarded = guard("nudge", "INSERT INTO pgqueue.look", "-- ")
    id = one_of(connection, "tenant")
    pause(connection, "tenant", "acme")
    with other.transaction():
        assert claim_gated(other, worker) == []
        assert resume(connection, "tenant", "acme")
    assert next_ids(connection, worker) == ([id] if guarded else [])


MANY = 2_500


@pytest.mark.parametrize("tenants", [1, MANY])
def test_many_come_back_a_thousand_at_a_time(
    connection: Connection, worker: int, tenants: int
) -> None:
    insert = """
        SELECT count(pgqueue.enqueue(
            'slow', flow => jsonb_build_object('fair_key', 'x' || mod(i, %s))))
        FROM generate_series(1, %s) AS i
    """
    value(connection, insert, tenants, MANY)
    pause(connection, "task", "slow")
    open = "SELECT count(*) FROM pgqueue.gate WHERE state = 'open'"
    for left in (MANY - 1000, MANY - 2000, 0):
        last = rows(connection, "SELECT * FROM pgqueue.claim_gated('default', 5, %s, '{}')", worker)
        assert [found["task"] for found in last] == ["gate" if left else None]
        assert value(connection, open) == left
    resume(connection, "task", "slow")
    running = 0
    for opened in (1000, 2000, MANY):
        assert len(claim_gated(connection, worker, 5)) == 5
        running += 5
        assert value(connection, open) == opened - running
        due = value(connection, "SELECT count(*) FROM pgqueue.look WHERE at <= now()")
        assert due == (0 if opened == MANY else 1)


def test_jobs_behind_many_that_are_paused_are_not_overlooked(
    connection: Connection, worker: int, guard: Guard
) -> None:
    guarded = guard("pick", "closed AND looked >= 1000", "false")
    insert = """
        SELECT count(pgqueue.enqueue('slow', flow => '{"limits": ["x"]}'))
        FROM generate_series(1, 1200)
    """
    value(connection, insert)
    id = enqueue(connection, "t", flow={"limits": ["x"]})
    pause(connection, "task", "slow")
    look = "SELECT id, task FROM pgqueue.claim_gated('default', 5, %s, '{}')"
    assert rows(connection, look, worker) == [{"id": None, "task": "gate" if guarded else None}]
    assert [found["id"] for found in claim_gated(connection, worker, 5)] == [id]


def test_locked_jobs_do_not_keep_a_worker_busy(
    connection: Connection, other: Connection, worker: int
) -> None:
    insert = """
        SELECT count(pgqueue.enqueue('t', flow => '{"limits": ["x"]}'))
        FROM generate_series(1, 1100)
    """
    value(connection, insert)
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job FOR UPDATE")
        look = "SELECT id, task FROM pgqueue.claim_gated('default', 100, %s, '{}')"
        assert rows(connection, look, worker) == [{"id": None, "task": None}]


PARKED = """
    WITH parked AS (
        INSERT INTO pgqueue.job (task, ready_xid, blocked)
        SELECT 'slow', NULL, true FROM generate_series(1, 20000) RETURNING id
    )
    INSERT INTO pgqueue.gate (job_id, queue, task, priority, state, blocker)
    SELECT id, 'default', 'slow', 0, 'closed', 'pause task:slow' FROM parked
"""

# A claim for its cost is rolled back. What it wrote fills the pages for as long as a transaction is
# open in any database of the server, and the next claim then writes into every index.
PRUNE = "VACUUM pgqueue.job"


def test_pauses_cost_the_claims_of_others_nothing(connection: Connection, worker: int) -> None:
    """Nor do the jobs that are paused, once they are out of the way."""
    scanner = Scanner(connection, worker)
    connection.execute("INSERT INTO pgqueue.job (task) SELECT 't' FROM generate_series(1, 300)")
    scanner.cost_of_claim(100)
    connection.execute(PRUNE)
    before = scanner.cost_of_claim(100)
    pause(connection, "task", "slow")
    pause(connection, "tag", "big")
    connection.execute(PARKED)
    connection.execute(PRUNE)
    after = scanner.cost_of_claim(100)
    assert after.wal_bytes <= before.wal_bytes * 1.05 or after.wal_images  # a checkpoint
    deeper = 1.6  # the indexes are a page deeper; who walked would see thousands
    assert after.buffers <= before.buffers * deeper


# Bad input


@pytest.mark.parametrize("function", ["pause", "resume"])
@pytest.mark.parametrize(
    ("kind", "shown"), [("queue", '"queue"'), ("job", '"job"'), (None, "NULL")]
)
def test_other_kinds_are_refused(
    connection: Connection, function: str, kind: str | None, shown: str
) -> None:
    with pytest.raises(InvalidParameterValue) as caught:
        value(connection, f"SELECT pgqueue.{function}(%s, 'x')", kind)
    assert caught.value.diag.message_primary == (
        f"pgqueue: a task, a tag or a tenant is paused and resumed by this, got {shown}"
    )
    assert caught.value.diag.message_hint == (
        "For a queue there are pgqueue.pause_queue(name) and pgqueue.resume_queue(name)."
    )


def test_a_pause_that_would_be_over_is_refused(connection: Connection) -> None:
    with pytest.raises(InvalidParameterValue, match="would be over already"):
        pause(connection, "task", "t", until="2020-01-01 00:00:00+00")


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_names_have_a_length(connection: Connection, name: str) -> None:
    with pytest.raises(CheckViolation, match="name of a pause has 1 to 200 bytes"):
        pause(connection, "tag", name)


def test_instants_lie_in_the_calendar(connection: Connection) -> None:
    with pytest.raises(CheckViolation, match="until lies between the years 2 and 9998"):
        pause(connection, "tag", "x", until="infinity")


def test_who_paused_is_the_user_unless_told(connection: Connection) -> None:
    pause(connection, "tag", "x", reason="flood")
    value(connection, "SELECT pgqueue.pause_queue('default', 'lunch', 'ann')")
    value(connection, "SELECT pgqueue.pause_queue('mail', until => '2100-01-01')")
    connection.execute("UPDATE pgqueue.queue SET paused_until = now() WHERE name = 'mail'")
    query = "SELECT kind, name, paused_by, reason, until FROM pgqueue.pauses"
    assert [tuple(found.values()) for found in rows(connection, query)] == [
        ("queue", "default", "ann", "lunch", None),
        ("tag", "x", value(connection, "SELECT session_user::text"), "flood", None),
    ]
