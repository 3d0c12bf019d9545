"""pgqueue.enqueue: what it stores by default and on request, and what it refuses."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, NotNullViolation, ProgramLimitExceeded
from psycopg.types.json import Jsonb

from tests.support import claim, enqueue, job, register, rows, state, value, values

Connection = psycopg.Connection[Any]


def nested(levels: int) -> dict[str, Any]:
    """Arguments with this many lists inside each other."""
    inner: list[Any] = []
    for _ in range(levels - 1):
        inner = [inner]
    return {"a": inner}


def test_defaults(connection: Connection) -> None:
    found = job(connection, enqueue(connection, "send"))
    assert found is not None
    assert (found["task"], found["queue"], found["state"]) == ("send", "default", "queued")
    assert (found["priority"], found["attempt"], found["max_attempts"]) == (0, 0, 20)
    assert found["args"] == {}
    assert found["run_at"] == found["enqueued_at"]
    for unset in ("timeout", "tags", "meta", "progress", "started_at", "finished_at", "worker_id"):
        assert found[unset] is None, unset


def test_every_option_is_stored(connection: Connection) -> None:
    options: dict[str, Any] = {
        "args": {"n": 1, "text": "ä😀"},
        "queue": "mail",
        "priority": 10,
        "run_at": datetime(2100, 1, 1, tzinfo=UTC),
        "max_attempts": 1000,
        "timeout": timedelta(seconds=90),
        "tags": ["a", "b"],
        "meta": {"trace": "x"},
    }
    found = job(connection, enqueue(connection, **options))
    assert found is not None
    assert {name: found[name] for name in options} == options
    assert found["state"] == "scheduled"


@pytest.mark.parametrize("run_at", [datetime(2000, 1, 1, tzinfo=UTC), None])
def test_a_past_run_at_means_now(connection: Connection, run_at: datetime | None) -> None:
    assert state(connection, enqueue(connection, run_at=run_at)) == "queued"


def test_ids_rise(connection: Connection) -> None:
    ids = [enqueue(connection) for _ in range(5)]
    assert ids == sorted(set(ids))


def test_the_place_in_line_is_the_transaction(connection: Connection) -> None:
    with connection.transaction():
        enqueue(connection)
        enqueue(connection)
        xid = value(connection, "SELECT pg_current_xact_id()::text::bigint")
    assert values(connection, "SELECT ready_xid FROM pgqueue.job") == [xid, xid]


REFUSED: list[tuple[dict[str, Any], type[psycopg.Error], str]] = [
    ({"task": ""}, CheckViolation, "task name has 1 to 200 bytes"),
    ({"task": "t" * 201}, CheckViolation, "task name has 1 to 200 bytes"),
    ({"task": "ä" * 101}, CheckViolation, "task name has 1 to 200 bytes"),
    ({"task": None}, NotNullViolation, '"task"'),
    ({"queue": ""}, CheckViolation, "queue name has 1 to 100 bytes"),
    ({"queue": "q" * 101}, CheckViolation, "queue name has 1 to 100 bytes"),
    ({"queue": None}, NotNullViolation, '"queue"'),
    ({"priority": 11}, CheckViolation, "priority lies between -10 and 10"),
    ({"priority": -11}, CheckViolation, "priority lies between -10 and 10"),
    ({"priority": 70000}, psycopg.errors.NumericValueOutOfRange, "smallint out of range"),
    ({"max_attempts": 0}, CheckViolation, "max_attempts lies between 1 and 1000"),
    ({"max_attempts": 1001}, CheckViolation, "max_attempts lies between 1 and 1000"),
    ({"timeout": timedelta(0)}, CheckViolation, "timeout is longer than zero"),
    ({"timeout": timedelta(seconds=-1)}, CheckViolation, "timeout is longer than zero"),
    ({"args": Jsonb([1])}, CheckViolation, "args is a JSON object"),
    ({"args": Jsonb(None)}, CheckViolation, "args is a JSON object"),
    ({"args": None}, NotNullViolation, '"args"'),
    ({"meta": Jsonb("x")}, CheckViolation, "meta is a JSON object"),
    ({"run_at": "infinity"}, CheckViolation, "run_at lies between the years 2 and 9998"),
    ({"run_at": "-infinity"}, CheckViolation, "run_at lies between the years 2 and 9998"),
    ({"run_at": "9999-01-01 00:00Z"}, CheckViolation, "run_at lies between the years 2 and 9998"),
    ({"args": {"a": "x" * 1048576}}, ProgramLimitExceeded, "args take 1048585 bytes, at most 1048"),
    ({"args": {"a": "x" * 1000}, "max_args_bytes": 1000}, ProgramLimitExceeded, "at most 1000 are"),
    ({"args": nested(101)}, ProgramLimitExceeded, "nested more than 100 levels deep"),
]


@pytest.mark.parametrize(("options", "error", "message"), REFUSED)
def test_refuses(
    connection: Connection, options: dict[str, Any], error: type[psycopg.Error], message: str
) -> None:
    with pytest.raises(error) as caught:
        enqueue(connection, **options)
    assert message in str(caught.value)
    assert rows(connection, "SELECT FROM pgqueue.job") == []


@pytest.mark.parametrize("options", [{"args": nested(100)}, {"args": {"a": "x" * 1048000}}])
def test_accepts_what_is_just_allowed(connection: Connection, options: dict[str, Any]) -> None:
    assert state(connection, enqueue(connection, **options)) == "queued"


def test_refuses_extreme_nesting(connection: Connection) -> None:
    document = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
    with pytest.raises(ProgramLimitExceeded, match="nested more than 100 levels deep"):
        connection.execute("SELECT pgqueue.enqueue('t', %s)", [document])


def test_a_limit_error_says_what_to_do(connection: Connection) -> None:
    with pytest.raises(ProgramLimitExceeded) as caught:
        enqueue(connection, args={"a": "x" * 2000}, max_args_bytes=1000)
    assert caught.value.diag.message_hint is not None
    assert "pass its key, or raise max_args_bytes" in caught.value.diag.message_hint


def test_a_plain_insert_is_a_queued_job(connection: Connection) -> None:
    connection.execute("INSERT INTO pgqueue.job (task) VALUES ('t')")
    (claimed,) = claim(connection, register(connection), 5)
    assert (claimed["task"], claimed["args"]) == ("t", "{}")


WRITTEN: list[tuple[dict[str, Any], str]] = [
    ({"run_at": "infinity"}, "run_at lies between the years 2 and 9998"),
    ({"enqueued_at": "-infinity"}, "enqueued_at lies between the years 2 and 9998"),
    ({"timeout": "0"}, "timeout is longer than zero"),
    ({"priority": "11"}, "priority lies between -10 and 10"),
    ({"attempt": "-1"}, "attempt is not negative"),
    ({"max_attempts": "0"}, "max_attempts lies between 1 and 1000"),
    ({"queue": ""}, "queue name has 1 to 100 bytes"),
    ({"task": ""}, "task name has 1 to 200 bytes"),
    ({"args": "[]"}, "args is a JSON object"),
    ({"meta": "1"}, "meta is a JSON object"),
    ({"flow": "true"}, "flow is a JSON object"),
    ({"lease": "1"}, "a lease has a worker"),
    ({"worker_id": "1"}, "a lease has a worker"),
    (
        {"lease": "1", "worker_id": "1", "ready_xid": None},
        "only a ready or a blocked job has a lease",
    ),
    ({"blocked": "true"}, "a blocked job is not ready"),
]


def insert(connection: Connection, fields: dict[str, Any]) -> None:
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO pgqueue.job ({', '.join(fields)}) VALUES ({places})"
    connection.execute(statement.encode(), list(fields.values()))


def copy(connection: Connection, fields: dict[str, Any]) -> None:
    statement = f"COPY pgqueue.job ({', '.join(fields)}) FROM STDIN"
    with connection.cursor().copy(statement.encode()) as copied:
        copied.write_row(list(fields.values()))


def update(connection: Connection, fields: dict[str, Any]) -> None:
    enqueue(connection)
    changes = ", ".join(f"{name} = %s" for name in fields)
    connection.execute(f"UPDATE pgqueue.job SET {changes}".encode(), list(fields.values()))


@pytest.mark.parametrize("write", [insert, copy, update])
@pytest.mark.parametrize(("columns", "sentence"), WRITTEN)
def test_whoever_writes_the_table_reads_what_is_wrong(
    connection: Connection,
    columns: dict[str, Any],
    sentence: str,
    write: Callable[[Connection, dict[str, Any]], None],
) -> None:
    with pytest.raises(CheckViolation) as caught:
        write(connection, {"task": "t"} | columns)
    assert caught.value.diag.constraint_name == sentence
    assert f'violates check constraint "{sentence}"' in str(caught.value)


def test_a_refused_value_does_not_drag_the_arguments_into_the_log(connection: Connection) -> None:
    with pytest.raises(CheckViolation) as caught:
        enqueue(connection, args={"card": "4111"}, priority=11)
    assert "4111" not in str(caught.value)
    assert str(caught.value).startswith(
        'value for domain pgqueue.priority violates check constraint "priority lies between'
    )


def test_rolls_back_with_the_transaction(connection: Connection, other: Connection) -> None:
    with connection.transaction(force_rollback=True):
        id = enqueue(connection)
        assert state(connection, id) == "queued"
        assert state(other, id) is None
    assert state(connection, id) is None


def test_rolls_back_with_the_savepoint(connection: Connection) -> None:
    with connection.transaction():
        kept = enqueue(connection)
        with connection.transaction(force_rollback=True):
            undone = enqueue(connection)
    assert state(connection, kept) == "queued"
    assert state(connection, undone) is None


def test_a_refusal_inside_a_savepoint_costs_only_that(connection: Connection) -> None:
    with connection.transaction():
        kept = enqueue(connection)
        with pytest.raises(CheckViolation), connection.transaction():
            enqueue(connection, priority=99)
    assert state(connection, kept) == "queued"


def test_is_seen_only_after_the_commit(connection: Connection, other: Connection) -> None:
    worker = register(connection)
    with connection.transaction():
        id = enqueue(connection)
        assert claim(other, worker) == []
    assert [found["id"] for found in claim(other, worker)] == [id]
