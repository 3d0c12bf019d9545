"""On every kind of connection, a running job ends in the transaction of its own handler."""

from typing import Any

import psycopg
import pytest

from pgqueue import LeaseLost, Task, UnsupportedConnection
from pgqueue.running import RunningJob
from tests.enqueue.kinds import Caller
from tests.support import claim_one, job, state, values

Connection = psycopg.Connection[Any]
Send = Task[..., Any]


@pytest.fixture
def running(connection: Connection, send: Send) -> RunningJob:
    """A claimed job, as its handler sees it."""
    send.enqueue(connection, "first")
    claimed = claim_one(connection)
    return RunningJob(
        id=claimed["id"],
        lease=claimed["lease"],
        task=claimed["task"],
        queue="default",
        attempt=claimed["attempt"],
        max_attempts=claimed["max_attempts"],
        encode_result=lambda result: None if result is None else f'"{result} %s :x"',
    )


async def test_the_job_its_result_and_its_followers_are_one_commit(
    caller: Caller, running: RunningJob, send: Send, connection: Connection
) -> None:
    await caller.settle(send.enqueue(caller.connection, "follow-up"))
    await caller.settle(running.complete(caller.connection, result="done"))
    assert state(connection, running.id) == "running"
    await caller.commit()
    found = job(connection, running.id)
    assert found is not None
    assert (found["state"], found["result"]) == ("succeeded", "done %s :x")
    assert running.completed
    assert values(connection, "SELECT count(*) FROM pgqueue.jobs") == [2]


async def test_a_rollback_leaves_it_running(
    caller: Caller, running: RunningJob, connection: Connection
) -> None:
    await caller.settle(running.complete(caller.connection))
    await caller.rollback()
    assert state(connection, running.id) == "running"
    await caller.settle(running.complete(caller.connection))
    await caller.commit()
    assert state(connection, running.id) == "succeeded"


async def test_who_lost_the_lease_is_told_to_roll_back(
    caller: Caller, running: RunningJob, send: Send, connection: Connection
) -> None:
    connection.execute("UPDATE pgqueue.job SET lease = lease + 1000 WHERE id = %s", [running.id])
    await caller.settle(send.enqueue(caller.connection, "follow-up"))
    with pytest.raises(LeaseLost, match=rf"^job {running.id} is no longer leased to this attempt"):
        await caller.settle(running.complete(caller.connection))
    assert not running.completed
    await caller.rollback()
    assert values(connection, "SELECT state FROM pgqueue.jobs") == ["running"]


def test_what_is_no_connection_is_refused(running: RunningJob) -> None:
    with pytest.raises(UnsupportedConnection, match=r"cannot use builtins\.NoneType"):
        running.complete(None)  # type: ignore[call-overload]  # the mistake
