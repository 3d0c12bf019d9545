"""Guards of what operators look at and order: each with the damage that is done without it."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.support import enqueue, expire, register, value

Connection = psycopg.Connection[Any]
Guard = Callable[..., bool]
ASK = "SELECT pgqueue.ask_dump(%s)"
WRITE = "SELECT pgqueue.write_dump(%s, %s)"


def test_claimers_look_again_for_a_job_of_another_priority(
    connection: Connection, guard: Guard
) -> None:
    """It comes to an old place of its new line, behind which claimers would go on."""
    guarded = guard("set_priority", "PERFORM pgqueue.look_again(lane);")
    id = enqueue(connection)
    epoch = "SELECT epoch FROM pgqueue.queue WHERE name = 'default'"
    before = value(connection, epoch)
    assert value(connection, "SELECT pgqueue.set_priority(%s, 5)", id)
    assert (value(connection, epoch) > before) is guarded


def test_an_operation_that_goes_on_is_kept_however_old(
    connection: Connection, guard: Guard
) -> None:
    guarded = guard("order_operation", "old.state <> 'running' AND ")
    order = "SELECT pgqueue.order_operation('cancel', '', '{}', 'ann', NULL, %s, '{queued}')"
    id = value(connection, order, [enqueue(connection)])
    connection.execute("UPDATE pgqueue.operation SET created_at = now() - interval '1 year'")
    value(connection, order, [enqueue(connection)])
    kept = value(connection, "SELECT count(*) FROM pgqueue.operation WHERE id = %s", id)
    assert (kept == 1) is guarded


def test_a_lost_worker_is_not_asked(connection: Connection, guard: Guard) -> None:
    guarded = guard("ask_dump", " AND w.seen_at + w.lease_for >= now()")
    worker = register(connection)
    expire(connection, worker)
    assert value(connection, ASK, worker) is not guarded


def test_old_answers_go_when_somebody_asks(connection: Connection, guard: Guard) -> None:
    guarded = guard("ask_dump", "WHERE d.asked_at < now() - interval '1 hour'", "WHERE false")
    first, second = register(connection), register(connection)
    assert value(connection, ASK, first)
    connection.execute("UPDATE pgqueue.dump SET asked_at = now() - interval '2 hours'")
    assert value(connection, ASK, second)
    assert value(connection, "SELECT count(*) FROM pgqueue.dump") == (1 if guarded else 2)


def test_an_answer_is_not_written_over(connection: Connection, guard: Guard) -> None:
    guarded = guard("write_dump", " AND d.written_at IS NULL")
    worker = register(connection)
    assert value(connection, ASK, worker)
    assert value(connection, WRITE, worker, "the first")
    assert value(connection, WRITE, worker, "the second") is not guarded
    stacks = value(connection, "SELECT stacks FROM pgqueue.dump")
    assert stacks == ("the first" if guarded else "the second")


def test_samplers_take_rows_in_one_order(connection: Connection, guard: Guard) -> None:
    """Two that begin at once would otherwise wait for each other's queues for ever."""
    guarded = guard("sample", 'ORDER BY lane COLLATE "C"', "ORDER BY random()")
    for number in range(40):
        connection.execute("INSERT INTO pgqueue.queue (name) VALUES (%s)", [f"queue {number:02}"])
    connection.execute("SELECT pgqueue.sample()")
    made = connection.execute("SELECT queue FROM pgqueue.queue_sample ORDER BY ctid").fetchall()
    written = [queue for (queue,) in made]
    inserted = written[: len(written)]
    assert (sorted(inserted) == inserted) is guarded


def test_a_declaration_takes_rows_in_one_order(connection: Connection, guard: Guard) -> None:
    guarded = guard("declare_tasks", 'ORDER BY g.task COLLATE "C"', "ORDER BY random()")
    rest = {"aliases": [], "queue": "default", "signature": "()", "redact": []}
    rest |= {"max_attempts": 1, "priority": 0, "version": "0"}
    declared = [{"task": f"task {number:02}", **rest} for number in reversed(range(40))]
    connection.execute("SELECT pgqueue.declare_tasks(%s)", [Jsonb(declared)])
    made = connection.execute("SELECT task FROM pgqueue.task_declaration ORDER BY ctid").fetchall()
    assert (made == sorted(made)) is guarded
