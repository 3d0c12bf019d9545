"""Workers that die or freeze: their jobs are run by others, and their late words are refused."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.support.jobs import Connection, enqueue, existing_job, rows, state, value
from tests.support.oracle import assert_exactly_once, effects, starts
from tests.support.process import StartWorker, WorkerProcess
from tests.support.waiting import eventually


def test_killed_in_the_middle_of_a_job(oracle: Connection, start_worker: StartWorker) -> None:
    id = enqueue(oracle, "effect_in_thread", args={"seconds": 2})
    first = start_worker()
    eventually(lambda: starts(oracle, id) == 1)
    second = start_worker()
    second.registered(oracle)
    first.kill()
    eventually(lambda: state(oracle, id) == "succeeded")
    assert starts(oracle, id) == 2
    assert existing_job(oracle, id)["attempt"] == 2
    assert_exactly_once(oracle, 1)
    failure = rows(oracle, "SELECT attempt, error_type FROM pgqueue.failures")
    assert failure == [{"attempt": 1, "error_type": "WorkerLost"}]
    second.signal(signal.SIGTERM)
    assert second.exit_code() == 0


@pytest.mark.slow
def test_a_job_that_kills_its_workers_dies(oracle: Connection, start_worker: StartWorker) -> None:
    id = enqueue(oracle, "poison", max_attempts=3)
    good = [enqueue(oracle, "effect", args={}, priority=5) for _ in range(10)]
    for _ in range(4):
        worker = start_worker()
        eventually(partial(_ended_or_dead, worker, oracle, id))
    eventually(lambda: state(oracle, id) == "dead")
    assert starts(oracle, id) == 3
    assert "WorkerLost" in existing_job(oracle, id)["reason"]
    eventually(lambda: all(state(oracle, other) == "succeeded" for other in good))
    assert effects(oracle) == len(good)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["return", "retry", "snooze", "progress", "complete"])
def test_a_zombie_is_refused(oracle: Connection, start_worker: StartWorker, ending: str) -> None:
    """Frozen for longer than its lease, it wakes up and says how its attempt ended."""
    id = enqueue(oracle, "sleepy", args={"seconds": 0.5, "ending": ending})
    zombie = start_worker(name="zombie")
    eventually(lambda: starts(oracle, id) == 1)
    zombie.freeze()
    other = start_worker(name="other")
    eventually(lambda: state(oracle, id) == "succeeded")
    before = existing_job(oracle, id)
    zombie.thaw()
    after = enqueue(oracle, "plain", args={"seconds": 0.01})
    eventually(lambda: "LeaseWasLost" in zombie.log, what="the zombie notices")
    eventually(lambda: state(oracle, after) == "succeeded")
    assert existing_job(oracle, id) == before
    assert (before["attempt"], before["result"], before["progress"]) == (2, 2, None)
    assert effects(oracle) == 0
    other.kill()
    alone = enqueue(oracle, "plain")
    eventually(lambda: state(oracle, alone) == "succeeded", what="the zombie works again")
    zombie.signal(signal.SIGTERM)
    assert zombie.exit_code() == 0


def test_children_do_not_outlive_a_killed_worker(
    oracle: Connection, start_worker: StartWorker
) -> None:
    worker = start_worker(children=1)
    warm = enqueue(oracle, "in_child", args={"seconds": 0})
    eventually(lambda: state(oracle, warm) == "succeeded")
    child = int(value(oracle, "SELECT result FROM pgqueue.jobs WHERE id = %s", warm))
    busy = enqueue(oracle, "in_child", args={"seconds": 600}, max_attempts=1)
    eventually(lambda: state(oracle, busy) == "running")
    worker.kill()
    eventually(lambda: not Path(f"/proc/{child}").exists())


@pytest.mark.slow
def test_terminated_at_any_moment(oracle: Connection, start_worker: StartWorker) -> None:
    """Ten shutdowns during some hundred jobs: no attempt is consumed, none is lost or doubled."""
    total = 400
    for number in range(total):
        task = ("effect", "plain", "effect_in_thread")[number % 3]
        enqueue(oracle, task, args={"seconds": (number % 7) * 0.02})
    left = "SELECT count(*) FROM pgqueue.job"
    for turn in range(10):
        worker = start_worker(concurrency=8, grace=0.0 if turn % 2 else 5.0, name=f"turn {turn}")
        worker.registered(oracle)
        target = total - (turn + 1) * total // 12
        eventually(partial(_at_most, target, oracle, left))
        worker.signal(signal.SIGTERM if turn % 3 else signal.SIGINT)
        assert worker.exit_code() == 0, worker.log
        assert value(oracle, "SELECT count(*) FROM pgqueue.job WHERE lease IS NOT NULL") == 0
    second = start_worker()
    eventually(lambda: value(oracle, left) == 0, within=40)
    second.signal(signal.SIGTERM)
    assert second.exit_code() == 0
    assert value(oracle, "SELECT count(*) FROM pgqueue.job_done") == total
    assert rows(oracle, "SELECT * FROM pgqueue.jobs WHERE attempt <> 1") == []
    assert rows(oracle, "SELECT * FROM pgqueue.failures") == []
    doubled = "SELECT job_id FROM oracle.effect GROUP BY job_id HAVING count(*) > 1"
    assert rows(oracle, doubled) == []
    assert effects(oracle) == sum(number % 3 != 1 for number in range(total))


def test_a_second_signal_hurries(oracle: Connection, start_worker: StartWorker) -> None:
    id = enqueue(oracle, "plain", args={"seconds": 600})
    worker = start_worker(grace=600.0)
    eventually(lambda: state(oracle, id) == "running")
    worker.signal(signal.SIGTERM)
    draining = "SELECT count(*) FROM pgqueue.worker WHERE draining_at IS NOT NULL"
    eventually(lambda: value(oracle, draining) == 1)
    assert state(oracle, id) == "running"
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    found = existing_job(oracle, id)
    assert (found["state"], found["attempt"]) == ("queued", 0)
    assert value(oracle, "SELECT count(*) FROM pgqueue.worker") == 0


@pytest.mark.parametrize(
    ("task", "args"),
    [("sleeps", {"seconds": 600}), ("swallows", {}), ("in_child", {"seconds": 600})],
)
def test_handlers_that_do_not_stop_do_not_hold_the_worker(
    oracle: Connection, start_worker: StartWorker, task: str, args: dict[str, object]
) -> None:
    id = enqueue(oracle, task, args=args)
    worker = start_worker(grace=0.0)
    eventually(lambda: state(oracle, id) == "running")
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    found = existing_job(oracle, id)
    assert (found["state"], found["attempt"]) == ("queued", 0)


def test_interrupted_at_the_start(oracle: Connection, start_worker: StartWorker) -> None:
    worker = start_worker()
    worker.registered(oracle)
    os.kill(worker.pid, signal.SIGINT)
    assert worker.exit_code() == 0


def _ended_or_dead(worker: WorkerProcess, connection: Connection, id: int) -> bool:
    return worker.process.poll() is not None or state(connection, id) == "dead"


def _at_most(target: int, connection: Connection, query: str) -> bool:
    return int(value(connection, query)) <= target
