"""What a kill costs the statistics: what was not written yet, and nothing else."""

import signal

from tests.support.jobs import Connection, enqueue, row, value
from tests.support.process import StartWorker
from tests.support.waiting import eventually

COUNTED = "SELECT coalesce(sum(succeeded), 0) AS n FROM pgqueue.statistic WHERE span = '1 hour'"
RETRIED = "SELECT coalesce(sum(retried), 0) AS n FROM pgqueue.statistic WHERE span = '1 hour'"


def enqueue_some(connection: Connection, number: int) -> int:
    for _ in range(number):
        enqueue(connection, "plain", args={"seconds": 0})
    return number


def test_a_killed_worker_costs_a_second_of_statistics(
    oracle: Connection, start_worker: StartWorker
) -> None:
    first = start_worker()
    written = enqueue_some(oracle, 20)
    eventually(lambda: row(oracle, COUNTED)["n"] == written)
    enqueue(oracle, "plain", args={"seconds": 5})
    eventually(
        lambda: value(oracle, "SELECT count(*) FROM pgqueue.job WHERE lease IS NOT NULL") == 1
    )
    first.kill()
    second = start_worker()
    eventually(lambda: row(oracle, RETRIED)["n"] == 1, what="the rescue is counted")
    more = enqueue_some(oracle, 5)
    eventually(lambda: value(oracle, "SELECT count(*) FROM pgqueue.job") == 0)
    second.signal(signal.SIGTERM)
    assert second.exit_code() == 0
    assert row(oracle, COUNTED)["n"] == written + more + 1, "the last is written at the end"
