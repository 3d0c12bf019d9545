"""Limits at the gate: how many at once, how many in a time, changed while they are used."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import (
    claim,
    claim_gated,
    complete,
    enqueue,
    expire,
    register,
    rescue,
    row,
    rows,
    sentinel_or_claimed,
    state,
    value,
    values,
)
from tests.support.jobs import existing_job

Connection = psycopg.Connection[Any]
FAR = "3000-01-01T00:00:00Z"
FREEING = {
    "succeeds": "SELECT pgqueue.complete('default', ARRAY[%s::bigint], ARRAY[%s::bigint])",
    "fails": "SELECT pgqueue.fail(%s, %s, '1 hour', 'E', 'm')",
    "dies": "SELECT pgqueue.fail(%s, %s, NULL, 'E', 'm')",
    "is snoozed": "SELECT pgqueue.snooze(%s, %s, '1 hour')",
    "is cancelled": "SELECT pgqueue.cancel_running(%s, %s)",
}


@pytest.fixture
def worker(connection: Connection) -> int:
    return register(connection)


def limit(connection: Connection, name: str, **rule: Any) -> None:
    arguments = "".join(f", {field} => %s" for field in rule)
    connection.execute(f"SELECT pgqueue.set_limit(%s{arguments})".encode(), [name, *rule.values()])


def limited(connection: Connection, *buckets: str, **options: Any) -> int:
    return enqueue(connection, flow={"limits": list(buckets)}, **options)


def next_ids(connection: Connection, worker: int, queue: str = "default") -> list[int]:
    return [claimed["id"] for claimed in claim_gated(connection, worker, queue=queue)]


def end(connection: Connection, how: str, id: int) -> None:
    lease = value(connection, "SELECT lease FROM pgqueue.job WHERE id = %s", id)
    assert value(connection, FREEING[how], id, lease) not in (None, 0)


# At once


@pytest.mark.parametrize("how", FREEING)
def test_a_place_is_free_when_its_job_has_ended(
    connection: Connection, worker: int, how: str
) -> None:
    limit(connection, "stripe", concurrency=2)
    first, second, third = (limited(connection, "stripe") for _ in range(3))
    assert next_ids(connection, worker) == [first, second]
    assert next_ids(connection, worker) == []
    assert state(connection, third) == "blocked"
    end(connection, how, second)
    assert next_ids(connection, worker) == [third]


@pytest.mark.parametrize("how", ["released", "rescued", "deleted"])
def test_a_place_is_free_when_its_lease_is(connection: Connection, worker: int, how: str) -> None:
    limit(connection, "stripe", concurrency=1)
    first, second = limited(connection, "stripe"), limited(connection, "stripe", priority=1)
    limit(connection, "other", concurrency=1)
    assert next_ids(connection, worker) == [second]
    if how == "released":
        lease = value(connection, "SELECT lease FROM pgqueue.job WHERE id = %s", second)
        connection.execute("SELECT pgqueue.release(ARRAY[%s], ARRAY[%s])", [second, lease])
    elif how == "rescued":
        expire(connection, worker)
        rescue(connection)
        worker = register(connection)
    else:
        connection.execute("DELETE FROM pgqueue.job WHERE id = %s", [second])
    assert next_ids(connection, worker) == [first if how == "deleted" else second]
    assert len(values(connection, "SELECT lease FROM pgqueue.slot")) == 1


def test_each_key_is_counted_by_itself(connection: Connection, worker: int) -> None:
    limit(connection, "tenant", concurrency=1)
    limit(connection, "tenant:2", concurrency=2)
    ids = [limited(connection, f"tenant:{n}") for n in (1, 1, 2, 2, 2, 3)]
    assert next_ids(connection, worker) == [ids[0], ids[2], ids[3], ids[5]]


def test_a_job_takes_all_its_places_or_none(connection: Connection, worker: int) -> None:
    limit(connection, "a", concurrency=1)
    limit(connection, "b", concurrency=2)
    a = limited(connection, "a")
    both = limited(connection, "a", "b")
    b1, b2 = limited(connection, "b"), limited(connection, "b")
    assert next_ids(connection, worker) == [a, b1, b2]
    end(connection, "succeeds", b1)
    b3 = limited(connection, "b")
    assert next_ids(connection, worker) == [b3]
    end(connection, "succeeds", a)
    assert next_ids(connection, worker) == []  # "a" is free, "b" is not
    end(connection, "succeeds", b2)
    assert next_ids(connection, worker) == [both]


def test_a_place_that_one_cannot_take_is_for_the_next(connection: Connection, worker: int) -> None:
    limit(connection, "a", concurrency=1)
    limit(connection, "b", concurrency=1)
    a, b = limited(connection, "a"), limited(connection, "b")
    both, b2 = limited(connection, "a", "b"), limited(connection, "b")
    assert next_ids(connection, worker) == [a, b]
    assert state(connection, both) == state(connection, b2) == "blocked"
    end(connection, "succeeds", b)  # frees "b" for `both`, which still lacks "a"
    got = next_ids(connection, worker) + next_ids(connection, worker)
    assert got == [b2]


def test_limits_count_across_queues_and_wake_them(
    connection: Connection, other: Connection, worker: int
) -> None:
    limit(connection, "stripe", concurrency=1)
    here = limited(connection, "stripe")
    there = limited(connection, "stripe", queue="other")
    assert next_ids(connection, worker) == [here]
    assert next_ids(connection, worker, queue="other") == []
    other.execute("SELECT pg_advisory_lock(7077, hashtext('other'))")  # somebody sleeps there
    connection.execute("LISTEN pgqueue")
    end(connection, "succeeds", here)
    assert next_ids(connection, worker) == []
    key = value(connection, "SELECT hashtext('other')::text")
    assert [note.payload for note in connection.notifies(timeout=20, stop_after=1)] == [key]
    assert next_ids(connection, worker, queue="other") == [there]


def test_nobody_counts_while_another_claims(
    connection: Connection, other: Connection, guard: Callable[..., bool], worker: int
) -> None:
    guarded = guard("lock_gate", "PERFORM pg_advisory_xact_lock(7078, 0);")
    limit(connection, "stripe", concurrency=1)
    limited(connection, "stripe"), limited(connection, "stripe")
    other.execute("BEGIN")
    assert len(claim_gated(other, worker, 1)) == 1
    connection.execute("SET lock_timeout = '100ms'")
    if guarded:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            claim_gated(connection, worker)
    else:
        assert len(claim_gated(connection, worker)) == 1
    other.execute("COMMIT")


# The queue and the task of plain jobs


@pytest.mark.parametrize("name", ["queue:default", "queue", "task:t", "task"])
def test_plain_jobs_are_under_the_limits_of_their_queue_and_task(
    connection: Connection, worker: int, name: str
) -> None:
    before = claim(connection, worker) if enqueue(connection) else []
    limit(connection, name, concurrency=3)
    ids = [enqueue(connection) for _ in range(4)]
    told = sentinel_or_claimed(connection, worker, 10)
    assert [(found["id"], found["task"]) for found in told] == [(None, "detour")]
    assert next_ids(connection, worker) == ids[:2]  # one runs already
    assert row(connection, "SELECT running, waiting FROM pgqueue.limits") == {
        "running": 3,
        "waiting": 2,
    }
    assert complete(connection, *before) == 1
    assert next_ids(connection, worker) == ids[2:3]
    assert value(connection, "SELECT pgqueue.remove_limit(%s)", name) is True
    assert next_ids(connection, worker) == ids[3:]
    last = enqueue(connection)
    assert [claimed["id"] for claimed in claim(connection, worker)] == [last]


def test_plain_jobs_of_other_tasks_go_their_way(connection: Connection, worker: int) -> None:
    limit(connection, "task:slow", concurrency=1)
    slow = [enqueue(connection, "slow") for _ in range(2)]
    quick = enqueue(connection, "quick")
    told = sentinel_or_claimed(connection, worker, 10)
    assert [(found["id"], found["task"]) for found in told] == [(quick, "quick"), (None, "detour")]
    assert next_ids(connection, worker) == slow[:1]


def test_a_released_plain_job_goes_through_the_gate_again(
    connection: Connection, worker: int
) -> None:
    limit(connection, "task:t", concurrency=1)
    id = enqueue(connection)
    claim(connection, worker)
    (claimed,) = claim_gated(connection, worker)
    released = "SELECT pgqueue.release(ARRAY[%s], ARRAY[%s])"
    assert value(connection, released, id, claimed["lease"]) == 1
    assert state(connection, id) == "blocked"
    assert claim(connection, worker) == []
    assert next_ids(connection, worker) == [id]


# In a time


def at_once(connection: Connection, worker: int, weights: list[int]) -> list[int]:
    """Enqueue a job for each weight; the weights of those that may start now."""
    ids = [enqueue(connection, flow={"limits": {"api": weight}}) for weight in weights]
    return [weights[ids.index(id)] for id in next_ids(connection, worker)]


@pytest.mark.parametrize("sliding", [False, True])
def test_no_more_than_the_rate_starts(connection: Connection, worker: int, sliding: bool) -> None:
    limit(connection, "api", rate=5, per="1 hour", sliding=sliding)
    assert at_once(connection, worker, [1] * 8) == [1] * 5
    assert next_ids(connection, worker) == []
    until = value(connection, "SELECT min(at) - now() FROM pgqueue.look WHERE blocker = 'api'")
    hours = until.total_seconds() / 3600
    assert 0.9 < hours <= 1 if sliding else 0.19 < hours <= 0.2


def elapse(connection: Connection, minutes: int) -> None:
    """Let so much time have passed for every bucket."""
    for column in ("bucket.counted_at", "bucket.kept_until", "look.at", "rated_start.at"):
        table, name = column.split(".")
        past = f"{name} = {name} - interval '{minutes} minutes'"
        connection.execute(f"UPDATE pgqueue.{table} SET {past}".encode())


def test_tokens_come_back_one_by_one(connection: Connection, worker: int) -> None:
    limit(connection, "api", rate=60, per="1 hour", burst=2)
    assert at_once(connection, worker, [1] * 6) == [1, 1]
    elapse(connection, 1)
    assert len(next_ids(connection, worker)) == 1
    elapse(connection, 1000)
    assert len(next_ids(connection, worker)) == 2


def test_a_window_slides(connection: Connection, worker: int) -> None:
    limit(connection, "api", rate=2, per="1 hour", sliding=True)
    assert at_once(connection, worker, [1] * 6) == [1, 1]
    elapse(connection, 59)
    assert next_ids(connection, worker) == []
    elapse(connection, 2)
    assert len(next_ids(connection, worker)) == 2


def test_a_heavy_job_is_not_overtaken(connection: Connection, worker: int) -> None:
    limit(connection, "api", rate=60, per="1 hour", burst=10)
    assert at_once(connection, worker, [8, 5, 1]) == [8]  # 2 tokens are left, but 5 comes first
    elapse(connection, 2)
    assert at_once(connection, worker, [1, 1]) == []
    elapse(connection, 1)
    assert len(next_ids(connection, worker)) == 1
    elapse(connection, 10)
    assert len(next_ids(connection, worker)) == 3


def test_a_job_heavier_than_the_limit_takes_all_of_it(connection: Connection, worker: int) -> None:
    limit(connection, "api", rate=10, per="1 hour")
    assert at_once(connection, worker, [500, 1]) == [500]


def test_a_raised_rate_holds_at_once(connection: Connection, worker: int) -> None:
    limit(connection, "api", rate=1, per="1 hour")
    assert at_once(connection, worker, [1, 1, 1]) == [1]
    limit(connection, "api", rate=3600, per="1 hour", burst=2)
    elapse(connection, 1)
    assert len(next_ids(connection, worker)) == 2


@pytest.mark.parametrize("rule", [{"concurrency": 1000}, {"rate": 1000, "per": "1 hour"}])
def test_a_claim_counts_each_limit_once(
    connection: Connection, worker: int, rule: dict[str, Any]
) -> None:
    limit(connection, "stripe", **rule)
    for _ in range(100):
        limited(connection, "stripe")
    with connection.transaction():
        connection.execute("SET LOCAL track_functions = 'pl'")
        assert len(next_ids(connection, worker)) == 100
        calls = "SELECT calls FROM pg_stat_xact_user_functions WHERE funcname = %s"
        assert value(connection, calls, "enter") == 100
        assert value(connection, calls, "room_of") == 1


def test_a_claim_under_more_limits_than_it_remembers(connection: Connection, worker: int) -> None:
    limit(connection, "tenant", rate=1, per="1 hour")
    ids = [limited(connection, f"tenant:{n % 250}") for n in range(300)]
    picked = [job["id"] for job in claim_gated(connection, worker, 300)]
    assert picked == ids[:250]


# When it is full


def test_the_newest_is_cancelled_where_the_rule_says_so(
    connection: Connection, worker: int
) -> None:
    limit(connection, "one", concurrency=1, when_full="cancel_newest")
    first, second = limited(connection, "one"), limited(connection, "one")
    assert next_ids(connection, worker) == [first]
    found = existing_job(connection, second)
    assert (found["state"], found["reason"]) == ("cancelled", "the limit one was full")


def test_the_running_one_is_cancelled_where_the_rule_says_so(
    connection: Connection, worker: int
) -> None:
    limit(connection, "one", concurrency=1, when_full="cancel_running")
    first = limited(connection, "one")
    assert next_ids(connection, worker) == [first]
    second = limited(connection, "one")
    assert next_ids(connection, worker) == []
    found = existing_job(connection, first)
    assert found["cancel_requested_at"] is not None
    assert found["reason"] == f"job {second} needed its place under the limit one"
    end(connection, "is cancelled", first)
    assert next_ids(connection, worker) == [second]


@pytest.mark.parametrize("most", [3, 100])
def test_of_those_that_come_at_once_only_the_newest_run_where_the_rule_says_so(
    connection: Connection, worker: int, most: int
) -> None:
    limit(connection, "two", concurrency=2, when_full="cancel_running")
    ids = [limited(connection, "two", "other") for _ in range(5)]
    assert [job["id"] for job in claim_gated(connection, worker, most)] == ids[3:]
    reasons = [existing_job(connection, id)["reason"] for id in ids[:3]]
    assert reasons == [f"job {id + 2} needed its place under the limit two" for id in ids[:3]]
    held = values(connection, "SELECT job_id FROM pgqueue.slot WHERE bucket = 'other' ORDER BY 1")
    assert held == ids[3:]


def test_who_waits_for_a_cancelled_one_gives_way_to_who_came_later(
    connection: Connection, worker: int
) -> None:
    limit(connection, "one", concurrency=1, when_full="cancel_running")
    first = limited(connection, "one")
    assert next_ids(connection, worker) == [first]
    second = limited(connection, "one")
    assert next_ids(connection, worker) == []
    third = limited(connection, "one")
    assert next_ids(connection, worker) == []
    end(connection, "is cancelled", first)
    assert next_ids(connection, worker) == [third]
    assert existing_job(connection, second)["state"] == "cancelled"


def test_one_newcomer_takes_the_place_of_one(connection: Connection, worker: int) -> None:
    limit(connection, "two", concurrency=2, when_full="cancel_running")
    running = [limited(connection, "two") for _ in range(2)]
    assert next_ids(connection, worker) == running
    newest = limited(connection, "two")
    reopen = "UPDATE pgqueue.gate SET state = 'open', blocker = NULL WHERE job_id = %s"
    for _ in range(3):  # however often it is looked at
        connection.execute(reopen, [newest])
        assert next_ids(connection, worker) == []
    asked = "SELECT id FROM pgqueue.job WHERE cancel_requested_at IS NOT NULL"
    assert values(connection, asked) == running[:1]


def test_who_comes_back_takes_nobody_s_place(connection: Connection, worker: int) -> None:
    limit(connection, "one", concurrency=1, when_full="cancel_running")
    older = limited(connection, "one")
    assert next_ids(connection, worker) == [older]
    end(connection, "is snoozed", older)
    newer = limited(connection, "one")
    assert next_ids(connection, worker) == [newer]
    connection.execute("UPDATE pgqueue.job SET run_at = now() WHERE id = %s", [older])
    connection.execute("SELECT pgqueue.promote()")
    assert next_ids(connection, worker) == []
    assert existing_job(connection, newer)["cancel_requested_at"] is None


@pytest.mark.parametrize("together", [True, False])
def test_an_older_one_takes_nobody_s_place(
    connection: Connection, worker: int, together: bool
) -> None:
    limit(connection, "one", concurrency=1, when_full="cancel_running")
    older = limited(connection, "one", run_at=None if together else FAR)
    newer = limited(connection, "one", priority=1)
    if not together:
        assert next_ids(connection, worker) == [newer]
        connection.execute("UPDATE pgqueue.job SET run_at = now() WHERE id = %s", [older])
        connection.execute("SELECT pgqueue.promote()")
    assert next_ids(connection, worker) == ([newer] if together else [])
    assert existing_job(connection, newer)["cancel_requested_at"] is None
    assert state(connection, older) == "blocked"


def test_nobody_gives_way_to_one_that_cannot_run(connection: Connection, worker: int) -> None:
    limit(connection, "last", concurrency=1)
    holder = limited(connection, "last")
    assert next_ids(connection, worker) == [holder]
    limit(connection, "first", concurrency=1, when_full="cancel_running")
    alone = limited(connection, "first")
    waiting = limited(connection, "first", "last")
    assert next_ids(connection, worker) == [alone]
    assert next_ids(connection, worker) == []
    assert existing_job(connection, alone)["cancel_requested_at"] is None
    assert state(connection, waiting) == "blocked"


def test_nobody_gives_way_to_one_without_a_token(connection: Connection, worker: int) -> None:
    rule = {"concurrency": 1, "rate": 1, "per": "1 hour", "when_full": "cancel_running"}
    limit(connection, "both", **rule)
    running = limited(connection, "both")
    assert next_ids(connection, worker) == [running]
    limited(connection, "both")
    assert next_ids(connection, worker) == []
    assert existing_job(connection, running)["cancel_requested_at"] is None


def test_the_tenant_of_who_gave_way_at_once_has_not_been_served(
    connection: Connection, worker: int
) -> None:
    limit(connection, "one", concurrency=1, when_full="cancel_running")
    for tenant in ("a", "b"):
        enqueue(connection, flow={"limits": ["one"], "fair_key": tenant})
    assert len(next_ids(connection, worker)) == 1
    assert values(connection, "SELECT fair_key FROM pgqueue.share") == ["b"]


# Changed while used


def test_a_rate_that_is_taken_away_beside_a_claim_does_no_harm(
    connection: Connection, worker: int
) -> None:
    """The claim has counted its tokens, and then reads the rule once more."""
    limit(connection, "api", rate=1, per="1 hour")
    limited(connection, "api")
    limited(connection, "api")
    assert len(next_ids(connection, worker)) == 1  # the other waits for the limit
    limit(connection, "api", concurrency=5)
    room = "ARRAY['api'], ARRAY[(now(), NULL, 0, 1)::pgqueue.room]"
    connection.execute(f"SELECT pgqueue.take_tokens({room})".encode())
    enter = f"SELECT hurdle FROM pgqueue.enter(ARRAY['api'], ARRAY[1], 7, 7, NULL, {room})"
    assert value(connection, enter) is None


def test_a_limit_is_changed_while_jobs_wait(
    connection: Connection, other: Connection, worker: int
) -> None:
    limit(connection, "stripe", concurrency=1)
    ids = [limited(connection, "stripe") for _ in range(5)]
    assert next_ids(connection, worker) == ids[:1]
    other.execute("BEGIN")
    limit(other, "stripe", concurrency=3)
    assert next_ids(connection, worker) == []  # and nobody waits for that transaction
    other.execute("COMMIT")
    assert next_ids(connection, worker) == ids[1:3]
    limit(connection, "stripe", concurrency=1)
    end(connection, "succeeds", ids[0])
    assert next_ids(connection, worker) == []
    assert value(connection, "SELECT pgqueue.remove_limit('stripe')") is True
    assert value(connection, "SELECT pgqueue.remove_limit('stripe')") is False
    assert next_ids(connection, worker) == ids[3:]


def test_an_operator_overrules_what_is_declared(connection: Connection) -> None:
    rule = "SELECT concurrency, declared FROM pgqueue.limits"
    limit(connection, "a", concurrency=1, declared=True)
    limit(connection, "a", concurrency=2, declared=True)
    assert row(connection, rule) == {"concurrency": 2, "declared": True}
    limit(connection, "a", concurrency=3)
    limit(connection, "a", concurrency=4, declared=True)
    assert row(connection, rule) == {"concurrency": 3, "declared": False}


# Outside of jobs


def test_a_place_outside_of_jobs(connection: Connection, worker: int) -> None:
    limit(connection, "stripe", concurrency=1)
    taken = row(connection, "SELECT * FROM pgqueue.acquire('stripe')")
    assert taken["token"] is not None
    job = limited(connection, "stripe")
    assert next_ids(connection, worker) == []
    assert row(connection, "SELECT * FROM pgqueue.acquire('stripe')") == {
        "token": None,
        "wait": None,
        "when_full": "wait",
    }
    assert value(connection, "SELECT pgqueue.stay(%s)", taken["token"]) is True
    assert value(connection, "SELECT pgqueue.leave(%s)", taken["token"]) is True
    assert value(connection, "SELECT pgqueue.leave(%s)", taken["token"]) is False
    assert value(connection, "SELECT pgqueue.stay(%s)", taken["token"]) is False
    assert next_ids(connection, worker) == [job]


def test_a_place_outside_of_jobs_that_nobody_keeps_is_free(
    connection: Connection, worker: int
) -> None:
    limit(connection, "stripe", concurrency=1)
    token = value(connection, "SELECT token FROM pgqueue.acquire('stripe', 1, '1 microsecond')")
    job = limited(connection, "stripe")
    assert next_ids(connection, worker) == [job]
    assert value(connection, "SELECT pgqueue.stay(%s)", token) is False
    assert rows(connection, "SELECT * FROM pgqueue.slot WHERE job_id = 0") == []


@pytest.mark.parametrize("weight", [0, -1000, 10_000_000, None])
def test_a_weight_gives_nothing_back(connection: Connection, weight: int | None) -> None:
    limit(connection, "api", rate=10, per="1 day")
    acquire = "SELECT token, wait FROM pgqueue.acquire('api', weight => %s)"
    assert row(connection, acquire, 10)["token"] is not None
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="a weight lies between 1 and"):
        connection.execute(acquire.encode(), [weight])
    assert row(connection, acquire, 1)["token"] is None


@pytest.mark.parametrize("lease_for", ["0 s", "-1 s", None])
def test_a_place_is_kept_for_a_time(connection: Connection, lease_for: str | None) -> None:
    token = value(connection, "SELECT token FROM pgqueue.acquire('stripe')")
    for refused, first in (("acquire('stripe', 1, %s)", []), ("stay(%s, %s)", [token])):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="longer than zero"):
            connection.execute(f"SELECT pgqueue.{refused}".encode(), [*first, lease_for])
    assert value(connection, "SELECT pgqueue.stay(%s)", token) is True


def test_a_rate_tells_when_to_ask_again(connection: Connection) -> None:
    limit(connection, "api", rate=1, per="10 seconds")
    assert value(connection, "SELECT token FROM pgqueue.acquire('api')") is not None
    again = row(connection, "SELECT token, wait FROM pgqueue.acquire('api')")
    assert again["token"] is None
    assert 0 < again["wait"] <= 10


def test_a_place_outside_of_jobs_counts_where_no_rule_is_yet(connection: Connection) -> None:
    acquire = "SELECT token FROM pgqueue.acquire(%s)"
    for bucket in ("stripe", "queue:default", "task:t"):
        token = value(connection, acquire, bucket)
        limit(connection, bucket, concurrency=1)
        assert value(connection, acquire, bucket) is None
        assert value(connection, "SELECT pgqueue.stay(%s)", token)
        assert value(connection, "SELECT pgqueue.leave(%s)", token)
        assert value(connection, acquire, bucket) is not None


def test_a_place_that_ran_out_is_not_kept(
    connection: Connection, guard: Callable[..., bool]
) -> None:
    guarded = guard("stay", " AND s.expires_at > clock_timestamp()")
    limit(connection, "stripe", concurrency=1)
    token = value(connection, "SELECT token FROM pgqueue.acquire('stripe', 1, '1 microsecond')")
    assert value(connection, "SELECT pgqueue.stay(%s)", token) is not guarded


def test_a_look_that_nobody_took_is_no_reason_to_ask_at_once(connection: Connection) -> None:
    limit(connection, "stripe", rate=1, per="1 hour")
    acquire = "SELECT token, wait FROM pgqueue.acquire('stripe')"
    assert row(connection, acquire)["token"] is not None
    assert row(connection, acquire)["token"] is None
    connection.execute("UPDATE pgqueue.look SET at = now() - interval '1 day'")
    assert row(connection, acquire)["wait"] > 3000


def test_only_places_turn_away_outside_of_jobs(connection: Connection) -> None:
    limit(connection, "stripe", concurrency=1, rate=2, per="1 hour", when_full="cancel_newest")
    acquire = "SELECT * FROM pgqueue.acquire('stripe')"
    token = row(connection, acquire)["token"]
    found = row(connection, acquire)
    assert (found["token"], found["when_full"]) == (None, "cancel_newest")
    connection.execute("SELECT pgqueue.leave(%s)", [token])
    connection.execute("SELECT pgqueue.leave(%s)", [row(connection, acquire)["token"]])
    found = row(connection, acquire)
    assert (found["token"], found["when_full"]) == (None, "wait")


@pytest.mark.parametrize(
    ("rule", "constraint"),
    [
        ({}, "a limit has a concurrency or a rate"),
        ({"concurrency": 0}, "concurrency is at least 1"),
        ({"rate": 0, "per": "1 minute"}, "rate is at least 1"),
        ({"rate": 1}, "rate and per come together"),
        ({"concurrency": 1, "per": "1 minute"}, "rate and per come together"),
        ({"rate": 1, "per": "0"}, "per is longer than zero, at most a year"),
        ({"rate": 1, "per": "2 years"}, "per is longer than zero, at most a year"),
        ({"rate": 1, "per": "1 minute", "burst": 0}, "burst is at least 1"),
        ({"concurrency": 1, "burst": 1}, "burst needs a rate"),
        (
            {"rate": 1, "per": "1 minute", "burst": 1, "sliding": True},
            "a sliding window has no burst",
        ),
        (
            {"concurrency": 1, "when_full": "drop"},
            "when_full is wait, cancel_newest or cancel_running",
        ),
        (
            {"rate": 1, "per": "1 minute", "when_full": "cancel_running"},
            "when_full is about a concurrency",
        ),
    ],
)
def test_what_is_no_rule(connection: Connection, rule: dict[str, Any], constraint: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        limit(connection, "stripe", **rule)
    assert caught.value.diag.constraint_name == constraint


@pytest.mark.parametrize("name", ["", "ä" * 101])
def test_what_is_no_name(connection: Connection, name: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        limit(connection, name, concurrency=1)
    assert caught.value.diag.constraint_name == "limit name has 1 to 200 bytes"


# Beside a claim on its way


def test_a_place_that_is_left_beside_a_claim_is_not_lost(
    connection: Connection, other: Connection, guard: Callable[..., bool], worker: int
) -> None:
    """The claim closes a job for want of the place that is given back before it commits."""
    guarded = guard(
        "nudge", "INSERT INTO pgqueue.look (blocker, at) VALUES (nudge.name, clock_timestamp());"
    )
    limit(connection, "tenant", concurrency=1)
    token = value(connection, "SELECT token FROM pgqueue.acquire('tenant:1')")
    job = limited(connection, "tenant:1")
    other.execute("BEGIN")
    assert claim_gated(other, worker) == []
    assert value(connection, "SELECT pgqueue.leave(%s)", token) is True
    other.execute("COMMIT")
    told = sentinel_or_claimed(connection, worker, 1)
    assert (told[-1]["task"] == "gate") is guarded
    assert next_ids(connection, worker) == ([job] if guarded else [])


def test_a_limit_that_is_raised_beside_a_claim_is_seen(
    connection: Connection, other: Connection, worker: int
) -> None:
    limit(connection, "tenant", concurrency=1)
    first, second = limited(connection, "tenant:1"), limited(connection, "tenant:1")
    other.execute("BEGIN")
    assert [found["id"] for found in claim_gated(other, worker)] == [first]
    limit(connection, "tenant", concurrency=2)
    other.execute("COMMIT")
    assert next_ids(connection, worker) == [second]


def test_tokens_that_were_kept_under_an_old_rule_are_given(
    connection: Connection, worker: int
) -> None:
    limit(connection, "api", rate=1, per="1 hour")
    assert at_once(connection, worker, [1, 1]) == [1]
    connection.execute("SELECT pgqueue.cancel(id) FROM pgqueue.jobs WHERE state = 'blocked'")
    limit(connection, "api", rate=3600, per="1 hour")
    elapse(connection, 1)
    assert at_once(connection, worker, [1]) == [1]


def test_two_heavy_jobs_under_a_sliding_window_wait(connection: Connection, worker: int) -> None:
    limit(connection, "api", rate=10, per="1 hour", sliding=True)
    assert at_once(connection, worker, [5, 8, 8]) == [5]
    assert next_ids(connection, worker) == []
    elapse(connection, 61)
    assert len(next_ids(connection, worker)) == 1


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_an_old_snapshot_is_refused(connection: Connection, worker: int, level: str) -> None:
    connection.execute(f"SET default_transaction_isolation = '{level}'".encode())
    with pytest.raises(psycopg.errors.InvalidTransactionState, match=f"this is {level}"):
        claim_gated(connection, worker)
    with pytest.raises(psycopg.errors.InvalidTransactionState, match="read committed only"):
        connection.execute("SELECT pgqueue.acquire('x')")


def test_a_place_somebody_is_giving_back_holds_up_nobody(
    connection: Connection, other: Connection, worker: int
) -> None:
    limit(connection, "stripe", concurrency=2)
    token = value(connection, "SELECT token FROM pgqueue.acquire('stripe', 1, '1 microsecond')")
    job = limited(connection, "stripe")
    other.execute("BEGIN")
    other.execute("SELECT pgqueue.leave(%s)", [token])
    connection.execute("SET lock_timeout = '5s'")
    assert next_ids(connection, worker) == [job]
    other.execute("COMMIT")


def test_who_waits_is_looked_at_whatever_became_of_who_runs(
    connection: Connection, worker: int
) -> None:
    """A plain job that ran when its queue was limited has a place, but no row at the gate."""
    enqueue(connection)
    before = claim(connection, worker)
    limit(connection, "queue:default", concurrency=1)
    job = enqueue(connection)
    assert sentinel_or_claimed(connection, worker, 1)[-1]["task"] == "detour"
    assert next_ids(connection, worker) == []
    assert complete(connection, *before) == 1
    assert sentinel_or_claimed(connection, worker, 1)[-1]["task"] is None
    connection.execute("UPDATE pgqueue.look SET at = now()")  # it comes in two seconds
    assert sentinel_or_claimed(connection, worker, 1)[-1]["task"] == "gate"
    assert next_ids(connection, worker) == [job]


def test_the_newest_is_cancelled_not_one_that_comes_back(
    connection: Connection, worker: int
) -> None:
    limit(connection, "one", concurrency=1, when_full="cancel_newest")
    first = limited(connection, "one")
    (claimed,) = claim_gated(connection, worker)
    connection.execute("SELECT pgqueue.release(ARRAY[%s], ARRAY[%s])", [first, claimed["lease"]])
    assert value(connection, "SELECT token FROM pgqueue.acquire('one')") is not None
    assert next_ids(connection, worker) == []
    assert state(connection, first) == "blocked"


@pytest.mark.parametrize("name", ["order", "pause", "pause task:x"])
def test_names_that_mean_something_else(connection: Connection, name: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        limit(connection, name, concurrency=1)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is no limit of a job"):
        limited(connection, name)


def test_what_the_gate_need_not_remember_is_pruned(connection: Connection, worker: int) -> None:
    limit(connection, "api", rate=5, per="1 hour")
    limit(connection, "slide", rate=5, per="1 hour", sliding=True)
    for tenant in ("a", "b"):
        limits = {"api": 1, "slide": 1}
        enqueue(connection, flow={"fair_key": tenant, "limits": limits})
        claim_gated(connection, worker, 1)
    tables = ("bucket", "rated_start", "share")
    counts = [f"(SELECT count(*) FROM pgqueue.{table})" for table in tables]
    counted = "SELECT ARRAY[" + ", ".join(counts) + "]"
    assert value(connection, counted) == [1, 2, 2]
    assert value(connection, "SELECT pgqueue.prune_gate(100)") == 0
    elapse(connection, 90)
    connection.execute("UPDATE pgqueue.fair_line SET served = served + 1")
    assert value(connection, "SELECT pgqueue.prune(100)") == 5
    assert value(connection, counted) == [0, 0, 0]


def test_jobs_that_a_claim_on_its_way_started_are_counted_soon(
    connection: Connection, other: Connection, worker: int
) -> None:
    enqueue(connection)
    other.execute("BEGIN")
    assert len(claim(other, worker)) == 1
    limit(connection, "queue:default", concurrency=1)
    other.execute("COMMIT")
    assert values(connection, "SELECT bucket FROM pgqueue.slot") == []
    connection.execute("SELECT pgqueue.mend_gate()")
    enqueue(connection)
    assert claim(connection, worker) == []
    assert next_ids(connection, worker) == []


def test_jobs_that_need_another_limit_do_not_come_one_by_one(
    connection: Connection, worker: int
) -> None:
    """The place under "a" is free, but each of them needs "b", too."""
    acquire = "SELECT token FROM pgqueue.acquire(%s)"
    limit(connection, "a", concurrency=1)
    limit(connection, "b", concurrency=1)
    first = value(connection, acquire, "a")
    jobs = [{"task": "t", "flow": {"limits": ["a", "b"]}} for _ in range(40)]
    connection.execute("SELECT pgqueue.enqueue_many(%s)", [Jsonb(jobs)])
    assert next_ids(connection, worker) == []
    assert value(connection, acquire, "b") is not None
    connection.execute("SELECT pgqueue.leave(%s)", [first])
    last = limited(connection, "a", priority=-1)
    looks = 0
    while next_ids(connection, worker) != [last]:
        looks += 1
    assert looks <= 5
