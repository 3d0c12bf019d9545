"""Dead rows, indexes, partitions and history that are not as they should be, each really so."""

from datetime import UTC, datetime, timedelta

from psycopg.types.json import Jsonb

from tests.support.doctoring import ours
from tests.support.jobs import Connection, claim, complete, enqueue, register, value
from tests.support.waiting import eventually

from .conftest import Examine

MANY_KEYS = b"""
    INSERT INTO pgqueue.unique_key (task, key, job_id, held_while)
    SELECT 't', md5(n::text) || repeat('x', 160), n, 'queued' FROM generate_series(1, 50000) AS n
"""


def test_dead_rows_that_somebody_holds_are_found(
    connection: Connection, other: Connection, look: Examine
) -> None:
    connection.execute("ALTER TABLE pgqueue.tick SET (autovacuum_vacuum_threshold = 10)")
    other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM pgqueue.job")
    connection.execute(
        "INSERT INTO pgqueue.tick (schedule, tick)"
        " SELECT 's', now() + make_interval(secs => n) FROM generate_series(1, 5000) AS n"
    )
    connection.execute("DELETE FROM pgqueue.tick")
    (finding,) = eventually(lambda: ours(look("vacuum")))
    assert finding.text.startswith("pgqueue.tick has 5,000 dead rows; it was last vacuumed")
    other.execute("ROLLBACK")
    assert finding.safe
    assert finding.fix_sql is not None
    connection.execute(finding.fix_sql.encode())
    eventually(lambda: not ours(look("vacuum")))


def test_autovacuum_that_is_off_for_a_table(connection: Connection, look: Examine) -> None:
    connection.execute("ALTER TABLE pgqueue.job SET (autovacuum_enabled = false)")
    (finding,) = ours(look("vacuum"))
    assert finding.status == "problem"
    assert "switched off for pgqueue.job" in finding.text
    connection.execute(str(finding.fix_sql).encode())
    assert ours(look("vacuum")) == []


def test_updates_that_touch_an_index(connection: Connection, look: Examine) -> None:
    connection.execute("CREATE INDEX mine ON pgqueue.job (lease)")
    connection.execute(
        "SELECT pgqueue.enqueue_many(%s)", [Jsonb([{"task": "t"} for _ in range(1500)])]
    )
    worker = register(connection)
    while claim(connection, worker, 500):
        pass
    (finding,) = eventually(lambda: [f for f in look("hot") if f.status != "ok"])
    assert finding.text == "0% of 1,500 updates of jobs touched no index."


def test_an_index_that_is_mostly_air(connection: Connection, look: Examine) -> None:
    connection.execute(MANY_KEYS)
    connection.execute("DELETE FROM pgqueue.unique_key")
    connection.execute("VACUUM ANALYZE pgqueue.unique_key")
    (finding,) = look("bloat")
    assert finding.status == "warning"
    assert finding.text.startswith("index pgqueue.unique_key_pkey takes")
    assert not finding.safe
    connection.execute(str(finding.fix_sql).encode())
    assert look("bloat")[0].status == "ok"


def test_a_full_index_is_not_bloated(connection: Connection, look: Examine) -> None:
    connection.execute(MANY_KEYS)
    connection.execute("VACUUM ANALYZE pgqueue.unique_key")
    assert value(connection, "SELECT pg_relation_size('pgqueue.unique_key_pkey')") > 8 * 1024**2
    assert look("bloat")[0].status == "ok"


def test_days_that_are_missing(connection: Connection, look: Examine) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    connection.execute(f"DROP TABLE pgqueue.job_done_{tomorrow:%Y%m%d}".encode())
    (finding,) = look("partitions")
    assert finding.status == "warning"
    assert f"no partition for {tomorrow}" in finding.text
    assert finding.safe
    connection.execute(str(finding.fix_sql).encode())
    assert look("partitions")[0].status == "ok"


def test_no_day_at_all_is_a_problem(connection: Connection, look: Examine) -> None:
    today = datetime.now(UTC).date()
    for ahead in range(4):
        day = today + timedelta(days=ahead)
        connection.execute(f"DROP TABLE IF EXISTS pgqueue.job_done_{day:%Y%m%d}".encode())
    enqueue(connection)
    complete(connection, *claim(connection, register(connection)))
    missing, strayed = look("partitions")
    assert missing.status == "problem"
    assert strayed.text == "the default partition of job_done has 1 row."
    for line in str(missing.fix_sql).splitlines():
        connection.execute(line.encode())
    assert look("partitions")[0].status == "ok"


def test_history_past_its_time(connection: Connection, look: Examine) -> None:
    for _ in range(3):
        pgqueue_cancel = "SELECT pgqueue.cancel(%s)"
        connection.execute(pgqueue_cancel, [enqueue(connection)])
    connection.execute("UPDATE pgqueue.job_dead SET finished_at = now() - interval '40 days'")
    connection.execute("SELECT pgqueue.add_partition((now() - interval '20 days')::date)")
    dead, days = look("retention")
    assert dead.text == "3 dead jobs should have been removed a day ago."
    assert days.text == "1 day of job_done should have been dropped."
    for finding in (dead, days):
        assert finding.safe
        connection.execute(str(finding.fix_sql).encode())
    assert look("retention")[0].status == "ok"
