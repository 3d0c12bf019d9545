"""Which indexes statements walk: when the planner knows nothing, or the table is full of dead."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgqueue.database.statement import Statement
from tests.support import claim, complete, enqueue, register, value

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
Plans = Callable[[], list[str]]
CALLS = range(8)
"""From the sixth call on, PL/pgSQL may use a generic plan."""
ON_JOB = re.compile(r"(?<!Insert) on job( \w+)?  \(")
WAITING = re.compile(r"Index (Only )?Scan using job_waiting on job")
PLACE = "(ROW(ready_xid, id) > ROW(mark.xid, mark.id))"


@pytest.fixture
def plans(connection: Connection) -> Plans:
    """The plans of the statements inside functions since the last call, as auto_explain says."""
    try:
        connection.execute("LOAD 'auto_explain'")
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile) as error:
        pytest.skip(f"auto_explain cannot be loaded here: {error}")
    seen: list[str] = []
    connection.add_notice_handler(lambda notice: seen.append(notice.message_primary or ""))
    for setting, to in (
        ("log_min_duration", "0"),
        ("log_nested_statements", "on"),
        ("log_level", "notice"),
    ):
        connection.execute(f"SET auto_explain.{setting} = {to}".encode())

    def plans() -> list[str]:
        found = [plan for plan in seen if "plan:" in plan and "pgqueue.job" in plan]
        seen.clear()
        return found

    return plans


def churn(connection: Connection, jobs: int, to_come: int) -> None:
    """Leave job as an ANALYZE at an unlucky moment finds it: no rows known, and many to come."""
    insert = "INSERT INTO pgqueue.job (task) SELECT 't' FROM generate_series(1, %s)"
    connection.execute(insert, [jobs])
    connection.execute("DELETE FROM pgqueue.job")
    connection.execute("VACUUM ANALYZE pgqueue.job")
    query = "SELECT reltuples FROM pg_class WHERE oid = 'pgqueue.job'::regclass"
    assert value(connection, query) == 0
    connection.execute(insert, [to_come])


def shuffle(connection: Connection) -> None:
    """Many jobs in line, known to the planner, in another order than in the table."""
    connection.execute("""
        INSERT INTO pgqueue.job (id, ready_xid, task)
        SELECT id, id, 't' FROM generate_series(1, 20000) AS id ORDER BY hashint8(id)
    """)
    connection.execute("SELECT setval('pgqueue.job_id_seq', 20000)")
    connection.execute("ANALYZE pgqueue.job")


@contextmanager
def held_snapshot(connect: Connect) -> Iterator[None]:
    """What is dead from now on stays in the table, as long as somebody might still read it."""
    with connect(autocommit=False) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM pgqueue.job")
        yield


@pytest.fixture(
    params=[
        # Neighbours in line are far apart in the table, which invites bitmaps.
        pytest.param(None, id="shuffled"),
        # So small that reading it whole would look cheap, and the plan may outlive that.
        pytest.param((3, 100), id="hardly any pages"),
        pytest.param((1_000, 1_000), id="no rows known"),
        pytest.param((100_000, 1_000), id="100,000 dead rows"),
    ]
)
def situation(
    request: pytest.FixtureRequest, connection: Connection, connect: Connect, plans: Plans
) -> Iterator[None]:
    """A table about which the planner is wrong, or which vacuum cannot tidy up."""
    connection.execute("SET auto_explain.log_min_duration = -1")
    with held_snapshot(connect):
        shuffle(connection) if request.param is None else churn(connection, *request.param)
        connection.execute("SET auto_explain.log_min_duration = 0")
        yield


@pytest.mark.usefixtures("situation")
def test_claim_walks_the_line_from_its_place_on(connection: Connection, plans: Plans) -> None:
    worker = register(connection)
    plans()
    for _ in CALLS:
        claim(connection, worker, 10)
        (plan,) = plans()
        assert "Index Scan using job_ready on job c" in plan
        condition = next(
            line for line in plan.splitlines() if "Index Cond" in line and PLACE in line
        )
        assert "(queue)::text = " in condition  # how a domain is compared as what it is over
        assert "(priority)::smallint = mark.priority" in condition
        assert "Index Scan using job_pkey on job j" in plan
        assert "Sort" not in plan
        assert "Seq Scan" not in plan
        assert "Bitmap" not in plan


@pytest.mark.usefixtures("situation")
@pytest.mark.parametrize("keep", [True, False])
def test_complete_finds_jobs_by_their_keys(
    connection: Connection, plans: Plans, keep: bool
) -> None:
    if not keep:
        connection.execute("UPDATE pgqueue.queue SET keep_succeeded = NULL")
    worker = register(connection)
    for with_results in (True, False):
        for _ in CALLS:
            claimed = claim(connection, worker, 5)
            plans()
            results = {str(found["id"]): 1 for found in claimed} if with_results else None
            assert complete(connection, *claimed, results=results) == 5
            (plan,) = plans()
            assert_found_by_key(plan)


ONE_JOB = {
    "fail": "SELECT pgqueue.fail(%(id)s, %(lease)s, NULL, 'E', 'm')",
    "fail and retry": "SELECT pgqueue.fail(%(id)s, %(lease)s, '1 s', 'E', 'm')",
    "snooze": "SELECT pgqueue.snooze(%(id)s, %(lease)s, '1 s')",
    "cancel_running": "SELECT pgqueue.cancel_running(%(id)s, %(lease)s)",
    "release": "SELECT pgqueue.release(ARRAY[%(id)s], ARRAY[%(lease)s])",
    "check_leases": "SELECT * FROM pgqueue.check_leases(ARRAY[%(id)s], ARRAY[%(lease)s])",
    "cancel": "SELECT pgqueue.cancel(%(id)s)",
    "retry": "SELECT pgqueue.retry(%(id)s)",
    "await_job": "SELECT pgqueue.await_job(%(id)s)",
    "report_progress": "SELECT pgqueue.report_progress(%(id)s, %(lease)s, '{}')",
}


@pytest.mark.usefixtures("situation")
def test_one_job_is_found_by_its_key(connection: Connection, plans: Plans) -> None:
    worker = register(connection)
    for name, call in ONE_JOB.items():
        for claimed in claim(connection, worker, len(CALLS)):
            plans()
            connection.execute(call.encode(), claimed)
            touching = [plan for plan in plans() if ON_JOB.search(plan)]
            assert touching, name
            for plan in touching:
                assert_found_by_key(plan)


@pytest.mark.usefixtures("situation")
def test_many_jobs_are_released_by_their_keys(connection: Connection, plans: Plans) -> None:
    worker = register(connection)
    for _ in CALLS:
        claimed = sorted((found["id"], found["lease"]) for found in claim(connection, worker, 50))
        plans()
        ids, leases = zip(*claimed, strict=True)
        release = "SELECT pgqueue.release(%s::bigint[], %s::bigint[])"
        assert value(connection, release, list(ids), list(leases)) == 50
        (plan,) = [plan for plan in plans() if ON_JOB.search(plan)]
        assert_found_by_key(plan)


@pytest.mark.usefixtures("situation")
def test_promote_walks_the_waiting_jobs(connection: Connection, plans: Plans) -> None:
    enqueue(connection, run_at="2100-01-01")
    due = [{"task": "t", "delay": "0.001 s"}] * 20
    for _ in CALLS:
        connection.execute("SELECT pgqueue.enqueue_many(%s)", [Jsonb(due)])
        plans()
        connection.execute("SELECT pgqueue.promote(10)")
        update, look = plans()
        for plan in (update, look):
            assert WAITING.search(plan), plan
            assert "Seq Scan" not in plan
            assert "Sort" not in plan
            assert "Bitmap" not in plan
        assert "Index Scan using job_pkey on job j" in update


@pytest.mark.usefixtures("situation")
@pytest.mark.parametrize("function", ["backlog", "running"])
def test_counts_walk_the_line(connection: Connection, plans: Plans, function: str) -> None:
    claim(connection, register(connection), 5)
    plans()
    for _ in CALLS:
        connection.execute(f"SELECT pgqueue.{function}('default', 50)".encode())
        (plan,) = [plan for plan in plans() if ON_JOB.search(plan)]
        kinds = {"backlog": {"job_ready", "job_blocked"}, "running": {"job_ready"}}
        assert set(re.findall(r"using (\w+) on job", plan)) == kinds[function], plan
        for scan in ("Seq Scan", "Sort", "Bitmap"):
            assert scan not in plan, plan


@pytest.mark.usefixtures("situation")
def test_ageing_walks_the_line(connection: Connection, plans: Plans) -> None:
    connection.execute("SELECT pgqueue.set_ageing('default', '1 hour')")
    connection.execute("UPDATE pgqueue.job SET enqueued_at = '2001-01-01', run_at = '2001-01-01'")
    for _ in CALLS:
        enqueue(connection, priority=10)
        plans()
        assert value(connection, "SELECT pgqueue.age(10)") == 10
        touching = [plan for plan in plans() if ON_JOB.search(plan)]
        (update,) = [plan for plan in touching if "Update on job" in plan]
        assert_found_by_key(update)
        touching.remove(update)
        assert touching
        for plan in touching:
            assert "Index Scan using job_ready on job" in plan, plan
            assert re.search(r"\(?priority\)?(::smallint)? = ", plan), plan
            for scan in ("Seq Scan", "Sort", "Bitmap", "job_pkey"):
                assert scan not in plan, plan


STATEMENTS = ("held", "report_progress")


@pytest.mark.usefixtures("situation")
@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_outside_of_functions_use_the_key(
    connection: Connection, plans: Plans, name: str
) -> None:
    worker = register(connection)
    for claimed in claim(connection, worker, len(CALLS)):
        plans()
        ids = {"ids": [claimed["id"]], "leases": [claimed["lease"]]}
        parameters = {**claimed, **ids, "progress": "{}"}
        connection.execute(Statement(name).text.encode(), parameters, prepare=True)
        touching = [plan for plan in plans() if ON_JOB.search(plan)]
        assert touching
        for plan in touching:
            assert_found_by_key(plan)


def assert_found_by_key(plan: str) -> None:
    """The plan touches the table by nothing but the primary key."""
    assert "using job_pkey on job" in plan, plan
    assert "Seq Scan on job" not in plan, plan
    assert "using job_ready" not in plan, plan
    assert "using job_waiting" not in plan, plan
    assert "Bitmap" not in plan, plan
