"""pgqueue.enqueue_many: the same rules as enqueue, for a JSON array of jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, InvalidParameterValue, ProgramLimitExceeded
from psycopg.types.json import Jsonb

from tests.support import job, rows, state, values

Connection = psycopg.Connection[Any]


def enqueue_many(connection: Connection, jobs: Any, **options: int) -> list[int]:
    arguments = "".join(f", {name} => {number}" for name, number in options.items())
    query = f"SELECT * FROM pgqueue.enqueue_many(%s{arguments})"
    return values(connection, query, None if jobs is None else Jsonb(jobs))


def test_ids_come_in_the_order_of_the_jobs(connection: Connection) -> None:
    ids = enqueue_many(connection, [{"task": f"t{n}"} for n in range(200)])
    assert ids == sorted(ids)
    tasks = values(connection, "SELECT task FROM pgqueue.job ORDER BY id")
    assert tasks == [f"t{n}" for n in range(200)]


def test_defaults_are_those_of_enqueue(connection: Connection) -> None:
    (many,) = enqueue_many(connection, [{"task": "t"}])
    (one,) = values(connection, "SELECT pgqueue.enqueue('t')")
    differing = ("id", "run_at", "enqueued_at")
    first, second = job(connection, many), job(connection, one)
    assert first is not None
    assert second is not None
    for name in first.keys() - set(differing):
        assert first[name] == second[name], name


def test_every_option_is_stored(connection: Connection) -> None:
    options = {
        "args": {"n": 1},
        "queue": "mail",
        "priority": -10,
        "max_attempts": 3,
        "tags": ["a", "b"],
        "meta": {"trace": "x"},
    }
    times = {"run_at": "2100-01-01T00:00:00Z", "timeout": "PT90S"}
    (id,) = enqueue_many(connection, [{"task": "t", **options, **times}])
    found = job(connection, id)
    assert found is not None
    assert {name: found[name] for name in options} == options
    assert found["run_at"] == datetime(2100, 1, 1, tzinfo=UTC)
    assert found["timeout"] == timedelta(seconds=90)
    assert found["state"] == "scheduled"


def test_null_means_the_default(connection: Connection) -> None:
    fields = ("args", "queue", "priority", "run_at", "max_attempts", "timeout", "tags", "meta")
    (id,) = enqueue_many(connection, [{"task": "t"} | dict.fromkeys(fields)])
    found = job(connection, id)
    assert found is not None
    assert (found["queue"], found["max_attempts"], found["state"]) == ("default", 20, "queued")


def test_a_delay_counts_from_now(connection: Connection) -> None:
    ids = enqueue_many(connection, [{"task": "t", "delay": delay} for delay in ("1 h", "0", None)])
    query = "SELECT run_at - enqueued_at FROM pgqueue.jobs ORDER BY id"
    assert values(connection, query) == [timedelta(hours=1), timedelta(0), timedelta(0)]
    assert [state(connection, id) for id in ids] == ["scheduled", "queued", "queued"]


def test_nothing_is_enqueued_for_an_empty_array(connection: Connection) -> None:
    assert enqueue_many(connection, []) == []


@pytest.mark.parametrize(
    ("jobs", "error", "message"),
    [
        (None, InvalidParameterValue, "takes a JSON array of jobs, got NULL"),
        ({"task": "t"}, InvalidParameterValue, "takes a JSON array of jobs, got object"),
        (["t"], InvalidParameterValue, "each job is a JSON object, got string"),
        ([None], InvalidParameterValue, "each job is a JSON object, got null"),
        ([{"task": "t", "when": 1}], InvalidParameterValue, 'a job has no field "when"'),
        ([{}], psycopg.errors.NotNullViolation, '"task"'),
        ([{"task": "t"}, {"task": ""}], CheckViolation, "task name has 1 to 200 bytes"),
        ([{"task": "t", "args": [1]}], CheckViolation, "args is a JSON object"),
        ([{"task": "t", "args": 1}], CheckViolation, "args is a JSON object"),
        ([{"task": "t", "priority": 11}], CheckViolation, "priority lies between -10 and 10"),
        ([{"task": "t", "priority": "high"}], psycopg.errors.DataError, '"high"'),
        ([{"task": "t", "run_at": "someday"}], psycopg.errors.DataError, '"someday"'),
        ([{"task": "t", "timeout": "0"}], CheckViolation, "timeout is longer than zero"),
        ([{"task": "t", "args": {"a": "x" * 1048576}}], ProgramLimitExceeded, "1048585 bytes"),
    ],
)
def test_one_bad_job_refuses_all(
    connection: Connection, jobs: Any, error: type[psycopg.Error], message: str
) -> None:
    with pytest.raises(error) as caught:
        enqueue_many(connection, jobs)
    assert message in str(caught.value)
    assert rows(connection, "SELECT FROM pgqueue.job") == []


def test_the_limit_of_the_arguments_is_for_each_job(connection: Connection) -> None:
    jobs = [{"task": "t", "args": {"a": "x" * 900}} for _ in range(3)]
    assert len(enqueue_many(connection, jobs, max_args_bytes=1000)) == 3
    with pytest.raises(ProgramLimitExceeded, match="args take 909 bytes, at most 908"):
        enqueue_many(connection, jobs, max_args_bytes=908)
