"""Schedules in the database: what a tick does, who may do it, and what changes them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import (
    CheckViolation,
    DuplicateObject,
    InvalidParameterValue,
    LockNotAvailable,
    UniqueViolation,
)
from psycopg.types.json import Jsonb

from tests.support import claim_one, complete, register, row, rows, value, values

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
Row = dict[str, Any]
DUE = "SELECT * FROM pgqueue.due_schedules(ARRAY['t'])"
TICK = """
    SELECT * FROM pgqueue.tick(%s, %s, %s, CAST(%s AS timestamptz[]), CAST(%s AS timestamptz), %s)
"""
TICKS = "SELECT * FROM pgqueue.tick"
SECOND = timedelta(seconds=1)


def put(connection: Connection, name: str = "s", task: str = "t", **options: Any) -> bool:
    """Put a schedule, each second unless told otherwise."""
    if not {"cron", "at"} & set(options):
        options = {"every": "1 second"} | options
    kinds = {"every": "::interval", "jitter": "::interval"}
    named = "".join(f", {key} => %s{kinds.get(key, '')}" for key in options)
    query = f"SELECT pgqueue.put_schedule(%s, %s{named})"
    return bool(value(connection, query, name, task, *options.values()))


def due(connection: Connection) -> Row:
    """The only schedule that a worker would look at."""
    return row(connection, DUE)


@pytest.fixture
def ready(connection: Connection) -> Row:
    """A schedule whose next tick is three seconds ago."""
    put(connection)
    return make_due(connection)


def make_due(connection: Connection, seconds: int = 3) -> Row:
    """Set its next tick some seconds back."""
    instant = "date_trunc('second', now()) - make_interval(secs => %s)"
    connection.execute(f"UPDATE pgqueue.schedule SET next_at = {instant}", [seconds])
    return due(connection)


def tick(connection: Connection, found: Row, *ticks: datetime, **changed: Any) -> list[Row]:
    """Tick as a worker does that has read `found`: by default the tick that is due."""
    chosen = list(ticks) or [found["next_at"]]
    given = {"next_at": chosen[-1] + SECOND, "dropped": None} | changed
    query = (found["name"], found["changed_at"], found["next_at"], chosen)
    return rows(connection, TICK, *query, given["next_at"], given["dropped"])


def test_a_tick_makes_a_job_and_moves_on(connection: Connection, ready: Row) -> None:
    made, done = tick(connection, ready)
    assert (done["at"], done["job_id"]) == (None, None)
    job = row(connection, "SELECT * FROM pgqueue.jobs")
    assert (made["job_id"], job["run_at"]) == (job["id"], ready["next_at"])
    told = ready["next_at"].astimezone(UTC).isoformat()
    assert job["meta"] == {"schedule": "s", "tick": told}
    found = row(connection, "SELECT * FROM pgqueue.schedule")
    assert (found["last_tick"], found["jobs"]) == (ready["next_at"], [job["id"]])
    assert found["next_at"] == ready["next_at"] + SECOND
    assert values(connection, "SELECT job_id FROM pgqueue.tick") == [job["id"]]


def test_several_ticks_are_one_transaction(connection: Connection, ready: Row) -> None:
    first = ready["next_at"]
    made = tick(connection, ready, first + SECOND, first + 2 * SECOND, dropped=first)
    assert len(made) == 3
    found = rows(connection, "SELECT tick, job_id, note FROM pgqueue.tick ORDER BY tick")
    assert found[0] == {"tick": first, "job_id": None, "note": "missed"}
    assert len([each for each in found if each["job_id"]]) == 2
    assert value(connection, "SELECT count(DISTINCT xmin::text) FROM pgqueue.job") == 1


def test_what_was_dropped_says_since_when(connection: Connection, ready: Row) -> None:
    first = ready["next_at"]
    tick(connection, ready, first + 2 * SECOND, dropped=first + SECOND)
    note = value(connection, "SELECT note FROM pgqueue.tick WHERE job_id IS NULL")
    assert note.startswith("missed, as all since 20")


def test_a_tick_that_is_rolled_back_leaves_nothing(connection: Connection, ready: Row) -> None:
    with connection.transaction(force_rollback=True):
        assert tick(connection, ready)
    assert value(connection, "SELECT count(*) FROM pgqueue.tick") == 0
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 0
    assert due(connection)["next_at"] == ready["next_at"]
    assert len(tick(connection, ready)) == 2


def test_the_last_tick_ends_it(connection: Connection) -> None:
    put(connection, at=datetime(2020, 1, 1, tzinfo=UTC))
    found = due(connection)
    assert (found["next_at"], found["at"].year) == (None, 2020)
    tick(connection, found, found["at"], next_at=None)
    assert rows(connection, DUE) == []
    assert value(connection, "SELECT state FROM pgqueue.schedules") == "done"


# Guards


def test_a_tick_wants_the_schedule_where_it_was(
    connection: Connection, guard: Guard, ready: Row
) -> None:
    guarded = guard("tick", " AND s.next_at IS NOT DISTINCT FROM tick.expected")
    tick(connection, ready)
    again = tick(connection, ready, ready["next_at"] + SECOND)
    assert (again == []) is guarded


def test_a_tick_wants_the_schedule_as_it_was(
    connection: Connection, guard: Guard, ready: Row
) -> None:
    """Its times were changed, and whoever computed by the old ones comes late."""
    guarded = guard("tick", " AND s.changed_at = tick.changed_at")
    put(connection, every="1 hour")
    connection.execute("UPDATE pgqueue.schedule SET next_at = %s", [ready["next_at"]])
    assert (tick(connection, ready) == []) is guarded


@pytest.mark.parametrize("verb", ["pause_schedule", "delete_schedule"])
def test_a_tick_wants_a_schedule_that_ticks(connection: Connection, ready: Row, verb: str) -> None:
    connection.execute(f"SELECT pgqueue.{verb}('s')")
    assert tick(connection, ready) == []
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 0


def test_a_tick_happens_once(connection: Connection, guard: Guard, ready: Row) -> None:
    """Even if the schedule were set back."""
    clause = (
        "INSERT INTO pgqueue.tick (schedule, tick) VALUES (due.name, at) ON CONFLICT DO NOTHING"
    )
    guarded = guard("tick", clause, clause.removesuffix(" ON CONFLICT DO NOTHING"))
    tick(connection, ready)
    connection.execute("UPDATE pgqueue.schedule SET next_at = %s", [ready["next_at"]])
    if guarded:
        assert len(tick(connection, ready)) == 1
        assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 1
    else:
        with pytest.raises(UniqueViolation):
            tick(connection, ready)


def test_a_tick_that_was_there_makes_no_job(
    connection: Connection, guard: Guard, ready: Row
) -> None:
    guarded = guard("tick", "CONTINUE WHEN NOT FOUND;")
    tick(connection, ready)
    connection.execute("UPDATE pgqueue.schedule SET next_at = %s", [ready["next_at"]])
    tick(connection, ready)
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == (1 if guarded else 2)


def test_a_dropped_tick_may_be_there(connection: Connection, guard: Guard, ready: Row) -> None:
    guarded = guard("tick", "\n        ON CONFLICT DO NOTHING", "")
    first = ready["next_at"]
    insert = "INSERT INTO pgqueue.tick (schedule, tick) VALUES ('s', %s)"
    connection.execute(insert, [first])
    if guarded:
        assert len(tick(connection, ready, first + SECOND, dropped=first)) == 2
    else:
        with pytest.raises(UniqueViolation):
            tick(connection, ready, first + SECOND, dropped=first)


def test_a_tick_lies_not_ahead(connection: Connection, guard: Guard, ready: Row) -> None:
    guarded = guard("tick", "WHERE early > clock_timestamp()", "WHERE false")
    ahead = ready["now"] + timedelta(hours=1)
    assert (tick(connection, ready, ready["next_at"], ahead) == []) is guarded


def test_nobody_waits_for_a_schedule(
    connection: Connection, other: Connection, guard: Guard, ready: Row
) -> None:
    guarded = guard("tick", "FOR UPDATE SKIP LOCKED", "FOR UPDATE")
    other.execute("SET lock_timeout = '100ms'")
    with connection.transaction():
        assert tick(connection, ready)
        if guarded:
            assert tick(other, ready) == []
        else:
            with pytest.raises(LockNotAvailable):
                tick(other, ready)
    assert value(connection, "SELECT count(*) FROM pgqueue.jobs") == 1


def test_only_what_was_read_is_broken(connection: Connection, guard: Guard, ready: Row) -> None:
    guarded = guard("break_schedule", " AND b.changed_at = break_schedule.changed_at")
    put(connection, every="1 hour")
    query = "SELECT pgqueue.break_schedule('s', %s, 'no')"
    assert value(connection, query, ready["changed_at"]) is not guarded


def test_it_is_broken_once(connection: Connection, guard: Guard, ready: Row) -> None:
    guarded = guard("break_schedule", " AND b.error IS NULL")
    query = "SELECT pgqueue.break_schedule('s', %s, 'no')"
    assert value(connection, query, ready["changed_at"]) is True
    assert value(connection, query, ready["changed_at"]) is not guarded


@pytest.mark.parametrize(
    ("fragment", "state"),
    [
        ("s.paused_at IS NULL AND ", "paused_at = now()"),
        ("s.ended_at IS NULL AND ", "ended_at = now()"),
        ("s.error IS NULL AND ", "error = 'no'"),
    ],
)
def test_what_does_not_tick_is_not_due(
    connection: Connection, guard: Guard, ready: Row, fragment: str, state: str
) -> None:
    guarded = guard("due_schedules", fragment)
    connection.execute(f"UPDATE pgqueue.schedule SET {state}")
    assert (rows(connection, DUE) == []) is guarded


def test_others_schedules_are_not_due(connection: Connection, guard: Guard, ready: Row) -> None:
    guarded = guard("due_schedules", " AND s.task = ANY (tasks)")
    others = "SELECT * FROM pgqueue.due_schedules(ARRAY['u'])"
    assert (rows(connection, others) == []) is guarded


def test_the_next_one_is_told(connection: Connection) -> None:
    for name in ("late", "soon", "new"):
        put(connection, name)
    later = "UPDATE pgqueue.schedule SET next_at = now() + %s::interval WHERE name = %s"
    connection.execute(later, ["2 hours", "late"])
    connection.execute(later, ["1 hour", "soon"])
    assert {found["name"] for found in rows(connection, DUE)} == {"new", "soon"}


# Overlap and jitter


@pytest.mark.parametrize("overlap", ["allow", "skip", "queue"])
def test_overlap(connection: Connection, overlap: str) -> None:
    put(connection, overlap=overlap)
    made = tick(connection, make_due(connection))[0]
    second = tick(connection, due(connection))[0]
    assert (second["job_id"] is None) is (overlap == "skip")
    if overlap == "skip":
        assert second["note"] == f"skipped: job {made['job_id']} was not finished"
        complete(connection, claim_one(connection, register(connection)))
        assert tick(connection, due(connection))[0]["job_id"] is not None


def test_queued_jobs_stand_in_one_line(connection: Connection) -> None:
    put(connection, overlap="queue", flow=Jsonb({"limits": {"mail": 1}}))
    for _ in range(2):
        found = due(connection) if rows(connection, TICKS) else make_due(connection)
        tick(connection, found)
    flows = values(connection, "SELECT flow FROM pgqueue.jobs")
    assert flows == [{"order_key": "schedule s", "limits": {"mail": 1}}] * 2


def test_a_line_of_its_own_or_that_of_the_schedule(connection: Connection) -> None:
    with pytest.raises(CheckViolation, match="overlap queue and order_key exclude each other"):
        put(connection, overlap="queue", flow=Jsonb({"order_key": "mine"}))
    with pytest.raises(psycopg.Error, match="pgqueue: "):
        put(connection, flow=Jsonb({"no such field": 1}))
    put(connection, flow=Jsonb({"order_key": "mine"}))
    tick(connection, make_due(connection))
    assert values(connection, "SELECT flow FROM pgqueue.jobs") == [{"order_key": "mine"}]


def test_a_long_name_makes_a_line_too(connection: Connection) -> None:
    put(connection, "ß" * 100, overlap="queue")
    tick(connection, make_due(connection))
    (flow,) = values(connection, "SELECT flow FROM pgqueue.jobs")
    assert flow["order_key"].startswith("schedule ")


def test_a_job_by_hand_counts_as_overlap(connection: Connection) -> None:
    put(connection, overlap="skip")
    by_hand = value(connection, "SELECT job_id FROM pgqueue.run_schedule('s')")
    found = tick(connection, make_due(connection))[0]
    assert found["note"] == f"skipped: job {by_hand} was not finished"


def test_it_is_told_when_another_job_has_the_unique_key(connection: Connection) -> None:
    put(connection, flow=Jsonb({"unique": {"key": "k"}}))
    run = "SELECT * FROM pgqueue.run_schedule('s')"
    first = row(connection, run)
    assert first["created"] is True
    assert row(connection, run) == {"job_id": first["job_id"], "created": False}
    kept_out = tick(connection, make_due(connection))[0]
    assert (kept_out["job_id"], kept_out["note"]) == (
        None,
        f"job {first['job_id']} has its unique key",
    )
    assert row(connection, "SELECT job_id, note FROM pgqueue.tick") == {
        "job_id": None,
        "note": kept_out["note"],
    }
    assert value(connection, "SELECT jobs FROM pgqueue.schedule") == [first["job_id"]]
    complete(connection, claim_one(connection, register(connection)))
    made = tick(connection, due(connection))[0]
    assert (made["job_id"] is not None, made["note"]) == (True, None)


def test_a_scheduled_job_without_flow_is_plain(connection: Connection) -> None:
    put(connection)
    tick(connection, make_due(connection))
    assert values(connection, "SELECT flow FROM pgqueue.jobs") == [None]


def test_the_jobs_that_are_remembered_are_few(connection: Connection) -> None:
    put(connection)
    for _ in range(120):
        connection.execute("SELECT pgqueue.run_schedule('s')")
    jobs = value(connection, "SELECT jobs FROM pgqueue.schedule")
    assert len(jobs) == 101
    assert jobs[-1] == value(connection, "SELECT last_job_id FROM pgqueue.schedules")


def test_jitter_is_the_same_for_the_same_tick(connection: Connection) -> None:
    put(connection, every="1 hour", jitter="30 minutes")
    found = make_due(connection, 86_400)
    ticks = [found["next_at"] + n * timedelta(hours=1) for n in range(20)]
    delays = []
    for _ in range(2):
        tick(connection, found, *ticks, next_at=found["next_at"])
        query = "SELECT run_at FROM pgqueue.jobs ORDER BY id"
        runs = values(connection, query)
        delays.append([run - at for run, at in zip(runs, ticks, strict=True)])
        connection.execute("DELETE FROM pgqueue.job")
        connection.execute("DELETE FROM pgqueue.tick")
    assert delays[0] == delays[1]
    assert len(set(delays[0])) > 15
    assert timedelta(0) <= min(delays[0]) < max(delays[0]) < timedelta(minutes=30)


# Putting


def test_putting_the_same_again_changes_nothing(connection: Connection, ready: Row) -> None:
    before = row(connection, "SELECT xmin::text, * FROM pgqueue.schedule")
    assert put(connection) is False
    assert row(connection, "SELECT xmin::text, * FROM pgqueue.schedule") == before


def test_unchanged_times_keep_the_next_tick(connection: Connection, ready: Row) -> None:
    assert put(connection, queue="mail", priority=3) is True
    found = due(connection)
    assert found["next_at"] == ready["next_at"]
    assert found["changed_at"] > ready["changed_at"]


@pytest.mark.parametrize(
    "times", [{"every": "2 seconds"}, {"cron": "@daily"}, {"at": "2999-01-01Z"}]
)
def test_changed_times_are_worked_out_anew(
    connection: Connection, ready: Row, times: dict[str, str]
) -> None:
    assert put(connection, **times) is True
    found = due(connection)
    assert found["next_at"] is None
    assert found["since"] > ready["since"]
    assert found["created_at"] == ready["created_at"]


def test_what_is_paused_stays_paused(connection: Connection) -> None:
    put(connection)
    assert value(connection, "SELECT pgqueue.pause_schedule('s', 'why', 'ada')") is True
    put(connection, every="5 seconds")
    found = row(connection, "SELECT * FROM pgqueue.schedules")
    assert (found["state"], found["paused_by"], found["pause_reason"]) == ("paused", "ada", "why")


def test_the_time_of_a_pause_is_not_missed(connection: Connection, ready: Row) -> None:
    connection.execute("SELECT pgqueue.pause_schedule('s')")
    assert value(connection, "SELECT pgqueue.resume_schedule('s')") is True
    assert value(connection, "SELECT pgqueue.resume_schedule('s')") is False
    found = due(connection)
    assert (found["next_at"], found["since"] > ready["now"]) == (None, True)


@pytest.mark.parametrize("mend", ["put", "resume"])
def test_a_broken_one_is_tried_again(connection: Connection, ready: Row, mend: str) -> None:
    query = "SELECT pgqueue.break_schedule('s', %s, 'no such zone')"
    connection.execute(query, [ready["changed_at"]])
    found = row(connection, "SELECT * FROM pgqueue.schedules")
    assert (found["state"], found["error"]) == ("broken", "no such zone")
    if mend == "put":
        assert put(connection) is True
    else:
        assert value(connection, "SELECT pgqueue.resume_schedule('s')") is True
    assert due(connection)["name"] == "s"


def test_a_name_that_the_code_declares_is_taken(connection: Connection, guard: Guard) -> None:
    clause = "pgqueue.schedule_owner(s, excluded.task, excluded.queue, excluded.declared) IS NULL"
    guarded = guard("put_schedule", clause, "true")
    put(connection, declared=True)
    put(connection, "mine", "u")
    if guarded:
        with pytest.raises(DuplicateObject, match="declared in the code of task") as raised:
            put(connection, task="u")
        assert raised.value.diag.message_hint.startswith("Change it in the code")  # type: ignore[union-attr]
        with pytest.raises(DuplicateObject, match="made at run time of task"):
            put(connection, "mine", declared=True)
    else:
        assert put(connection, task="u") is True
    assert put(connection, "mine", "u", declared=True) is True


def test_only_ones_own_declarations_are_deleted(connection: Connection) -> None:
    for name, task, declared in (
        ("kept", "a", True),
        ("gone", "b", True),
        ("by hand", "b", False),
        ("of others", "c", True),
    ):
        put(connection, name, task, declared=declared)
    put(connection, "moved", "b", declared=True, queue="old")
    keep = "SELECT pgqueue.keep_declared('{a, b}', '{default, default}', '{kept}')"
    there = "SELECT name FROM pgqueue.schedules ORDER BY name"
    other = register(connection, schedules=Jsonb({"moved": "old", "gone": "default"}))
    assert value(connection, keep) == 1
    assert values(connection, there) == ["by hand", "kept", "moved", "of others"]
    connection.execute("SELECT pgqueue.unregister(%s)", [other])
    assert value(connection, keep) == 1
    assert values(connection, there) == ["by hand", "kept", "of others"]


def test_a_schedule_stays_in_its_queue_while_a_live_worker_declares_it(
    connection: Connection, guard: Guard
) -> None:
    guarded = guard("schedule_owner", "AND pgqueue.is_declared(found)", "AND false")
    put(connection, declared=True, queue="a")
    other = register(connection, schedules=Jsonb({"s": "a"}))
    register(connection, schedules=Jsonb({"s": "b"}))
    if guarded:
        with pytest.raises(DuplicateObject, match='a live worker declares it for queue "a"'):
            put(connection, declared=True, queue="b")
        assert put(connection, declared=True, queue="a", priority=1) is True
        lost = "UPDATE pgqueue.worker SET seen_at = now() - interval '1 h' WHERE id = %s"
        connection.execute(lost, [other])
    assert put(connection, declared=True, queue="b") is True


def test_a_deleted_one_can_be_made_anew(connection: Connection, guard: Guard, ready: Row) -> None:
    guarded = guard(
        "delete_schedule", "DELETE FROM pgqueue.tick t WHERE t.schedule = delete_schedule.name;"
    )
    tick(connection, ready)
    assert value(connection, "SELECT pgqueue.delete_schedule('s')") is True
    assert value(connection, "SELECT pgqueue.delete_schedule('s')") is False
    put(connection)
    connection.execute("UPDATE pgqueue.schedule SET next_at = %s", [ready["next_at"]])
    assert len(tick(connection, due(connection))) == (2 if guarded else 1)


@pytest.mark.parametrize("verb", ["pause", "resume", "run", "delete"])
def test_what_is_not_there(connection: Connection, verb: str) -> None:
    assert values(connection, f"SELECT pgqueue.{verb}_schedule('s')") in ([], [False])


def test_jitter_is_shorter_than_the_expiry(connection: Connection) -> None:
    flow = Jsonb({"expires_in": "1 minute"})
    with pytest.raises(InvalidParameterValue, match="would expire before it is due"):
        put(connection, every="1 hour", jitter="2 minutes", flow=flow)
    assert put(connection, every="1 hour", jitter="30 seconds", flow=flow)


@pytest.mark.parametrize(
    ("options", "constraint"),
    [
        ({"cron": "@daily", "every": "1 day"}, "a schedule has one of cron, every and at"),
        ({"every": "0.5 seconds"}, "every is 1 second to 1000 years, without months"),
        ({"every": "1 month"}, "every is 1 second to 1000 years, without months"),
        ({"every": "1 week", "jitter": "2 days"}, "jitter lies between zero and a day"),
        ({"every": "1 minute", "jitter": "1 minute"}, "jitter is shorter than every"),
        (
            {"flow": Jsonb({"unique": {"key": "k", "on_conflict": "raise"}})},
            "the unique key of a scheduled job raises nothing",
        ),
        (
            {"flow": Jsonb({"expires_at": "2100-01-01"})},
            "a scheduled job expires after a time, not at one",
        ),
        ({"missed": "none"}, "missed is skip, latest or all"),
        ({"overlap": "none"}, "overlap is allow, skip or queue"),
        ({"most_missed": 0}, "most_missed lies between 1 and 10000"),
        ({"at": "0001-01-01Z"}, "at lies between the years 2 and 9998"),
        ({"priority": 11}, "priority lies between -10 and 10"),
        ({"cron": ""}, "cron has 1 to 200 bytes"),
    ],
)
def test_constraints_are_messages(
    connection: Connection, options: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(CheckViolation) as raised:
        put(connection, **options)
    assert raised.value.diag.constraint_name == constraint


def test_old_ticks_and_one_offs_go(connection: Connection, ready: Row) -> None:
    first = ready["next_at"]
    tick(connection, ready, first, first + SECOND)
    put(connection, "once", at="2020-01-01Z")
    put(connection, "coded", at="2020-01-01Z", declared=True)
    assert value(connection, "SELECT pgqueue.prune()") == 0
    connection.execute("UPDATE pgqueue.tick SET made_at = now() - interval '8 days'")
    ended = "UPDATE pgqueue.schedule SET ended_at = now() - interval '31 days' WHERE at IS NOT NULL"
    connection.execute(ended)
    assert value(connection, "SELECT pgqueue.prune()") == 2
    assert values(connection, "SELECT tick FROM pgqueue.tick") == [first + SECOND]
    names = values(connection, "SELECT name FROM pgqueue.schedules ORDER BY name")
    assert names == ["coded", "s"]


def test_the_view_knows_who_could_tick(connection: Connection, ready: Row) -> None:
    known = "SELECT known FROM pgqueue.schedules"
    assert value(connection, known) is False
    register(connection, tasks=["t"])
    assert value(connection, known) is True
    tick(connection, ready)
    found = row(connection, "SELECT last_job_id, last_job_state FROM pgqueue.schedules")
    assert found == {
        "last_job_id": value(connection, "SELECT id FROM pgqueue.jobs"),
        "last_job_state": "queued",
    }


def test_every_isolation_level_will_do(connection: Connection) -> None:
    for level in psycopg.IsolationLevel:
        connection.isolation_level = level
        with connection.transaction():
            put(connection)
            assert tick(connection, make_due(connection))
            for verb in ("pause", "resume", "run", "delete"):
                assert value(connection, f"SELECT pgqueue.{verb}_schedule('s')")
