"""Operations: worked off batch by batch, watched, stopped, and resumed after a death."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgqueue.dashboard.access import Anybody
from pgqueue.dashboard.database import Database
from pgqueue.dashboard.operations import Operations
from tests.support import enqueue, eventually, row, value
from tests.support.dashboards import client, served
from tests.support.jobs import refuse

Connection = psycopg.Connection[Any]
MANY = 1_700


@pytest.fixture
def many(connection: Connection) -> int:
    """More queued jobs than one transaction changes."""
    connection.execute("SELECT pgqueue.enqueue('many') FROM generate_series(1, %s)", [MANY])
    return MANY


def operation(connection: Connection, id: int = 0) -> dict[str, Any]:
    return row(
        connection,
        "SELECT * FROM pgqueue.operations WHERE %s IN (id, 0) ORDER BY id DESC LIMIT 1",
        id,
    )


def ordered(connection: Connection, action: str = "cancel", ids: list[int] | None = None) -> int:
    """An operation on all queued jobs that nobody works on yet."""
    found = ids or [id for (id,) in connection.execute("SELECT id FROM pgqueue.job ORDER BY id")]
    return int(
        value(
            connection,
            "SELECT pgqueue.order_operation(%s, '', %s, 'tester', NULL, %s, '{queued}')",
            action,
            Jsonb({}),
            found,
        )
    )


def cancelled(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM pgqueue.job_dead"))


def test_what_is_ordered_and_cannot_begin_waits_for_who_resumes_it(
    http: httpx.Client, connection: Connection, many: int
) -> None:
    """It is recorded: a visitor who was told of an error would order it once more."""
    refuse(connection, "operation", "UPDATE")
    answer = http.post("/jobs/act", data={"action": "cancel", "all": "1", "q": "task:many"})
    assert answer.headers["location"].startswith("/operations?told=Operation+1")
    connection.execute("DROP TRIGGER refuses ON pgqueue.operation")
    assert http.post("/operations/1/resume").status_code == 303
    eventually(lambda: cancelled(connection) == many)


def test_more_jobs_than_one_transaction_changes_become_an_operation(
    http: httpx.Client, connection: Connection, many: int
) -> None:
    preview = http.get("/jobs/act", params={"action": "cancel", "all": "1", "q": "task:many"})
    assert f"Cancel: {many:,} jobs</button>" in preview.text
    assert "in the background" in preview.text
    fields = {"action": "cancel", "all": "1", "q": "task:many", "reason": "a test"}
    answer = http.post("/jobs/act", data=fields)
    assert answer.headers["location"].startswith("/operations?told=Operation+1")
    eventually(lambda: operation(connection)["state"] == "done")
    found = operation(connection)
    assert (found["total"], found["done"], found["skipped"], found["failed"]) == (many, many, 0, 0)
    assert cancelled(connection) == many
    assert value(connection, "SELECT DISTINCT reason FROM pgqueue.job_dead") == "a test"
    recorded = row(connection, "SELECT action, target, jobs, reason FROM pgqueue.audit")
    target = {"search": "task:many", "operation": 1}
    assert recorded == {"action": "cancel", "target": target, "jobs": many, "reason": "a test"}
    text = http.get("/operations").text
    assert "1,700 of 1,700" in text
    assert 'class="state state-done"' in text


def test_at_most_ten_thousand_at_once(http: httpx.Client, connection: Connection) -> None:
    connection.execute("SELECT pgqueue.enqueue('many') FROM generate_series(1, 10050)")
    preview = http.get("/jobs/act", params={"action": "cancel", "all": "1", "q": "task:many"})
    assert "More than 10,000 match" in preview.text
    assert "Cancel: 10,000 jobs</button>" in preview.text


def test_what_changed_meanwhile_is_skipped_and_counted(
    http: httpx.Client, connection: Connection, many: int
) -> None:
    id = ordered(connection)
    connection.execute("SELECT pgqueue.cancel(id) FROM pgqueue.job WHERE id <= 40")
    connection.execute("UPDATE pgqueue.operation SET seen_at = now() - interval '1 minute'")
    http.post(f"/operations/{id}/resume")
    eventually(lambda: operation(connection)["state"] == "done")
    found = operation(connection)
    assert (found["done"], found["skipped"]) == (many - 40, 40)


HELD_UP = """
CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN IF NEW.id > 500 THEN PERFORM pg_advisory_xact_lock(42); END IF; RETURN NEW; END$$;
CREATE TRIGGER hold_up BEFORE INSERT ON pgqueue.job_dead FOR EACH ROW EXECUTE FUNCTION hold_up();
"""


def test_it_can_be_stopped_between_batches(
    http: httpx.Client, connection: Connection, other: Connection, many: int
) -> None:
    connection.execute(HELD_UP)
    with other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(42)")
        answer = http.post("/jobs/act", data={"action": "cancel", "all": "1", "q": "task:many"})
        assert answer.headers["location"].startswith("/operations")
        eventually(lambda: operation(connection)["done"] == 500)
        assert "500 of 1,700" in http.get("/operations").text
        assert "is+stopped" in http.post("/operations/1/stop").headers["location"]
    found = operation(connection)
    assert (found["state"], found["done"]) == ("stopped", 500)
    assert value(connection, "SELECT cardinality(jobs) FROM pgqueue.operation") == 0
    assert "was+over+already" in http.post("/operations/1/stop").headers["location"]
    assert cancelled(connection) == 500


def test_what_a_stopped_dashboard_leaves_is_resumed_by_another(
    connection: Connection, other: Connection, dsn: str, many: int
) -> None:
    connection.execute(HELD_UP)
    with other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(42)")
        with served(dsn) as url, client(url) as http:
            http.post("/jobs/act", data={"action": "cancel", "all": "1", "q": "task:many"})
            eventually(lambda: operation(connection)["done"] == 500)
    assert (operation(connection)["state"], cancelled(connection)) == ("running", 500)
    connection.execute("UPDATE pgqueue.operation SET seen_at = now() - interval '1 minute'")
    with served(dsn) as url, client(url) as http:
        assert "goes+on" in http.post("/operations/1/resume").headers["location"]
        eventually(lambda: operation(connection)["state"] == "done")
    found = operation(connection)
    assert (found["done"], found["skipped"], cancelled(connection)) == (many, 0, many)


def test_another_dashboard_resumes_it_where_it_was(
    http: httpx.Client, connection: Connection, many: int
) -> None:
    id = ordered(connection)
    runner = value(connection, "SELECT pgqueue.take_operation(%s)", id)
    connection.execute("SELECT pgqueue.next_batch(%s, %s)", [id, runner])
    connection.execute("SELECT pgqueue.cancel(id) FROM pgqueue.job ORDER BY id LIMIT 500")
    connection.execute("SELECT pgqueue.note_batch(%s, %s, 500, 500, 0)", [id, runner])
    answer = http.post(f"/operations/{id}/resume")
    assert "somebody+else" in answer.headers["location"]
    assert "Resume" not in http.get("/operations").text
    connection.execute("UPDATE pgqueue.operation SET seen_at = now() - interval '1 minute'")
    text = http.get("/operations").text
    assert 'class="state state-interrupted"' in text
    assert "Resume" in text
    assert "goes+on" in http.post(f"/operations/{id}/resume").headers["location"]
    eventually(lambda: operation(connection)["state"] == "done")
    assert operation(connection)["done"] == many
    assert value(connection, "SELECT action FROM pgqueue.audit") == "take_operation"


def test_a_job_that_fails_is_counted_and_the_others_are_done(
    http: httpx.Client, connection: Connection
) -> None:
    ids = [enqueue(connection) for _ in range(5)]
    connection.execute(
        f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF NEW.id = {ids[2]} THEN RAISE 'not this one'; END IF; RETURN NEW; END$$
        """.encode()
    )
    connection.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON pgqueue.job_dead EXECUTE FUNCTION refuse()".replace(
            "EXECUTE", "FOR EACH ROW EXECUTE"
        )
    )
    id = ordered(connection)
    http.post(f"/operations/{id}/resume")
    eventually(lambda: operation(connection)["state"] == "done")
    found = operation(connection)
    assert (found["done"], found["failed"], found["skipped"]) == (4, 1, 0)
    assert "not this one" in found["error"]
    assert "not this one" in http.get("/operations").text


def test_two_dashboards_never_work_on_the_same_one(connection: Connection, dsn: str) -> None:
    ids = [enqueue(connection) for _ in range(20)]
    id = ordered(connection, ids=ids)

    async def race() -> list[bool]:
        databases = [Database(dsn) for _ in range(4)]
        workers = [Operations(database, lambda: None) for database in databases]
        begun = await asyncio.gather(*(worker.begin(id) for worker in workers))
        while operation(connection)["state"] == "running":
            await asyncio.sleep(0.01)
        for worker, database in zip(workers, databases, strict=True):
            await worker.close()
            await database.close()
        return begun

    assert sorted(asyncio.run(race())) == [False, False, False, True]
    assert operation(connection)["done"] == 20


@pytest.fixture
def viewer(dsn: str) -> Iterator[httpx.Client]:
    with served(dsn, Anybody("v", "viewer")) as url, client(url) as http:
        yield http


def test_who_may_only_look_sees_no_buttons(viewer: httpx.Client, connection: Connection) -> None:
    enqueue(connection)
    id = ordered(connection)
    connection.execute("UPDATE pgqueue.operation SET seen_at = now() - interval '1 minute'")
    text = viewer.get("/operations").text
    assert "interrupted" in text
    assert "<button>Resume" not in text
    for verb in ("stop", "resume"):
        assert viewer.post(f"/operations/{id}/{verb}").status_code == 403
        assert viewer.get(f"/operations/{id}/{verb}").status_code == 405
    assert operation(connection)["state"] == "interrupted"


def test_an_operator_does_not_go_on_with_what_takes_an_admin(
    connection: Connection, dsn: str
) -> None:
    enqueue(connection)
    id = ordered(connection, "delete")
    with served(dsn, Anybody("o", "operator")) as url, client(url) as http:
        assert http.post(f"/operations/{id}/resume").status_code == 403
        assert http.post("/operations/999/stop").status_code == 404
