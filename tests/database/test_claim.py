"""pgqueue.claim: who gets which jobs, in which order, and who gets none."""

from typing import Any

import psycopg
import pytest

from pgqueue.worker.watermark import Snapshot
from tests.support import (
    claim,
    claim_one,
    enqueue,
    job,
    register,
    row,
    rows,
    sentinel_or_claimed,
    value,
)

Connection = psycopg.Connection[Any]


def ids(claimed: list[dict[str, Any]]) -> list[int]:
    return [found["id"] for found in claimed]


def test_a_claimed_job_is_running(connection: Connection) -> None:
    id = enqueue(connection, args={"n": 1}, meta={"m": 1}, tags=["a"], timeout="90 s")
    worker = register(connection)
    (claimed,) = claim(connection, worker)
    assert (claimed["id"], claimed["task"], claimed["attempt"]) == (id, "t", 1)
    assert (claimed["args"], claimed["meta"], claimed["tags"]) == ('{"n": 1}', '{"m": 1}', ["a"])
    assert claimed["timeout"] == 90
    assert claimed["waited"] >= 0
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["worker_id"], found["attempt"]) == ("running", worker, 1)
    assert found["started_at"] is not None


def test_a_running_job_is_not_claimed_again(connection: Connection) -> None:
    enqueue(connection)
    worker = register(connection)
    assert len(claim(connection, worker, 5)) == 1
    assert claim(connection, worker, 5) == []


def test_higher_priority_first_then_the_order_of_becoming_ready(connection: Connection) -> None:
    order = [(0, 1), (10, 2), (-10, 3), (0, 4), (10, 5)]
    named = {enqueue(connection, priority=priority): name for priority, name in order}
    worker = register(connection)
    claimed = [claim_one(connection, worker) for _ in order]
    assert [named[found["id"]] for found in claimed] == [2, 5, 1, 4, 3]


def test_one_claim_takes_the_first_in_line_of_all_priorities(connection: Connection) -> None:
    low = [enqueue(connection, priority=-1) for _ in range(2)]
    high = [enqueue(connection, priority=1) for _ in range(2)]
    worker = register(connection)
    assert sorted(ids(claim(connection, worker, 3))) == sorted([low[0], *high])
    assert ids(claim(connection, worker, 3)) == [low[1]]


def test_at_most_max_jobs(connection: Connection) -> None:
    for _ in range(5):
        enqueue(connection)
    worker = register(connection)
    assert [len(claim(connection, worker, 3)) for _ in range(3)] == [3, 2, 0]


def test_only_the_queue_and_the_priorities_asked_for(connection: Connection) -> None:
    enqueue(connection, queue="mail")
    enqueue(connection, priority=1)
    wanted = enqueue(connection, priority=2)
    worker = register(connection)
    assert ids(claim(connection, worker, 9, priorities=(2, 0))) == [wanted]


def test_unknown_tasks_are_passed_over(connection: Connection) -> None:
    stranger = enqueue(connection, "stranger")
    known = enqueue(connection, "known")
    worker = register(connection)
    assert ids(claim(connection, worker, 9, unknown=("stranger", "other"))) == [known]
    assert ids(claim(connection, worker, 9)) == [stranger]


def test_waiting_jobs_are_not_claimed(connection: Connection) -> None:
    enqueue(connection, run_at="2100-01-01")
    assert claim(connection, register(connection), 9) == []


def test_starts_after_the_place_given(connection: Connection) -> None:
    with connection.transaction():
        together = [enqueue(connection) for _ in range(2)]
    later = enqueue(connection)
    xid = value(connection, "SELECT ready_xid FROM pgqueue.job WHERE id = %s", together[0])
    worker = register(connection)
    after_all = (xid + 1000, 0)
    assert claim(connection, worker, 9, after=after_all) == []
    assert ids(claim(connection, worker, 9, after=(xid, together[1]))) == [later]
    assert ids(claim(connection, worker, 9, after=(xid, together[0]))) == [together[1]]
    assert ids(claim(connection, worker, 9)) == [together[0]]


def test_an_empty_queue_says_so(connection: Connection) -> None:
    (sentinel,) = sentinel_or_claimed(connection, register(connection), 1)
    assert sentinel["id"] is None
    assert sentinel["epoch"] == 0
    xmax = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    assert 0 < Snapshot.parse(sentinel["snapshot"]).end <= value(connection, xmax)


def test_the_last_row_tells_what_was_open_before_the_scan(
    connection: Connection, other: Connection
) -> None:
    worker = register(connection)
    with other.transaction():
        xid = value(other, "SELECT pg_current_xact_id()::text::bigint")
        enqueue(connection)
        claimed, last = sentinel_or_claimed(connection, worker, 1)
        assert (claimed["snapshot"], claimed["epoch"], last["id"]) == (None, None, None)
        assert xid in Snapshot.parse(last["snapshot"]).open
    (last,) = sentinel_or_claimed(connection, worker, 1)
    now = Snapshot.parse(last["snapshot"])
    assert xid < now.end
    assert xid not in now.open


def test_a_paused_queue_hands_out_nothing(connection: Connection) -> None:
    enqueue(connection)
    worker = register(connection)
    connection.execute("SELECT pgqueue.pause_queue('default')")
    (sentinel,) = sentinel_or_claimed(connection, worker, 1)
    assert set(sentinel.values()) == {None}
    connection.execute("SELECT pgqueue.resume_queue('default')")
    assert len(claim(connection, worker)) == 1


def test_an_unregistered_worker_is_refused(connection: Connection) -> None:
    enqueue(connection)
    with pytest.raises(psycopg.Error, match="worker 77 is not registered") as e:
        claim(connection, 77)
    assert e.value.sqlstate == "PQ001"


def test_a_queue_whose_row_was_deleted_gets_another(connection: Connection) -> None:
    worker = register(connection)
    enqueue(connection)
    connection.execute("DELETE FROM pgqueue.queue")
    assert len(claim(connection, worker)) == 1
    assert value(connection, "SELECT name FROM pgqueue.queue") == "default"


def test_no_row_made_by_hand_stops_a_queue(connection: Connection) -> None:
    worker = register(connection)
    connection.execute("INSERT INTO pgqueue.job (task, attempt) VALUES ('t', 32767)")
    with pytest.raises(psycopg.errors.CheckViolation, match="enqueued_at lies between"):
        connection.execute("INSERT INTO pgqueue.job (task, enqueued_at) VALUES ('t', 'infinity')")
    enqueue(connection)
    assert len(claim(connection, worker, 2)) == 2


def test_leases_rise_and_never_come_twice(connection: Connection) -> None:
    worker = register(connection)
    leases = []
    for _ in range(20):
        enqueue(connection)
        leases.append(claim_one(connection, worker)["lease"])
    assert len(set(leases)) == 20
    assert [lease >> 22 for lease in leases] == sorted(lease >> 22 for lease in leases)


def test_concurrent_claimers_never_share_a_job(connection: Connection, other: Connection) -> None:
    wanted = [enqueue(connection) for _ in range(4)]
    first, second = register(connection), register(connection)
    with connection.transaction(), other.transaction():
        mine = ids(claim(connection, first, 2))
        theirs = ids(claim(other, second, 4))
    assert sorted(mine + theirs) == wanted
    assert mine == wanted[:2]


def test_a_locked_job_is_passed_over(connection: Connection, other: Connection) -> None:
    locked, free = enqueue(connection), enqueue(connection)
    worker = register(connection)
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job WHERE id = %s FOR UPDATE", [locked])
        assert ids(claim(connection, worker, 2)) == [free]
    assert ids(claim(connection, worker, 2)) == [locked]


def test_a_claim_that_rolls_back_leaves_the_job_queued(connection: Connection) -> None:
    id = enqueue(connection)
    worker = register(connection)
    before = row(connection, "SELECT * FROM pgqueue.job WHERE id = %s", id)
    with connection.transaction(force_rollback=True):
        claim_one(connection, worker)
    assert row(connection, "SELECT * FROM pgqueue.job WHERE id = %s", id) == before


def test_only_the_claiming_transaction_is_not_flushed(connection: Connection) -> None:
    worker = register(connection)
    show = "SELECT current_setting('synchronous_commit')"
    usual = value(connection, show)
    enqueue(connection)
    with connection.transaction():
        claim_one(connection, worker)
        assert value(connection, show) == "off"
    assert value(connection, show) == usual


def test_a_claim_of_nothing_writes_nothing(connection: Connection) -> None:
    worker = register(connection)
    with connection.transaction():
        assert claim(connection, worker) == []
        assert rows(connection, "SELECT pg_current_xact_id_if_assigned() AS x") == [{"x": None}]
