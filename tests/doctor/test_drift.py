"""The catalog against what this release makes, and the SQL that mends it."""

import json
from importlib.resources import files

import pytest

from pgqueue.doctor.database import Database
from pgqueue.doctor.mending import statements
from pgqueue.doctor.shape import Object, actual, expected, text_of
from tests.support.guards import definition_of
from tests.support.jobs import Connection, enqueue, value

from .conftest import Examine


def test_the_shape_that_ships_is_that_of_the_migrations(connection: Connection) -> None:
    """Run `python docs/generate.py` after a change of the SQL. True on every PostgreSQL."""
    database = Database(connection, timeout=10, patience=60)
    found = actual(database)
    assert found == expected()
    shipped = files("pgqueue.doctor").joinpath("shape.json").read_text()
    assert text_of(found) == shipped
    assert len(json.loads(shipped)) == len(found)


def test_a_fresh_schema_has_no_drift(look: Examine) -> None:
    (finding,) = look("drift")
    assert finding.status == "ok"
    assert "all" in finding.text


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ("DROP INDEX pgqueue.job_ready", "index pgqueue.job_ready is missing"),
        (
            "DROP INDEX pgqueue.job_ready; CREATE INDEX job_ready ON pgqueue.job (queue)",
            "index pgqueue.job_ready was changed: it is CREATE INDEX",
        ),
        (
            'ALTER TABLE pgqueue.job DROP CONSTRAINT "a lease has a worker"',
            "constraint pgqueue.job.a lease has a worker is missing",
        ),
        (
            'ALTER DOMAIN pgqueue.priority DROP CONSTRAINT "priority lies between -10 and 10"',
            "constraint pgqueue.priority.priority lies between -10 and 10 is missing",
        ),
        (
            "ALTER TABLE pgqueue.worker DROP COLUMN draining_at CASCADE",
            "column pgqueue.worker.draining_at is missing",
        ),
        (
            "ALTER TABLE pgqueue.job ALTER COLUMN priority SET DEFAULT 1",
            "column pgqueue.job.priority was changed: it is pgqueue.priority NOT NULL DEFAULT 1",
        ),
        ("DROP FUNCTION pgqueue.running(text, integer)", "function pgqueue.running("),
        (
            "ALTER TABLE pgqueue.failure ALTER COLUMN queue DROP NOT NULL",
            "column pgqueue.failure.queue was",
        ),
        ("DROP VIEW pgqueue.dead_jobs", "view pgqueue.dead_jobs is missing"),
        (
            "CREATE OR REPLACE VIEW pgqueue.dead_jobs AS SELECT d.id, d.queue, d.task, d.state,"
            " d.reason, d.attempt, d.max_attempts, d.args, d.enqueued_at, d.finished_at,"
            " d.tags, d.meta FROM pgqueue.job_dead d WHERE d.state = 'dead'",
            "view pgqueue.dead_jobs was changed",
        ),
        ("DROP TABLE pgqueue.look", "table pgqueue.look is missing"),
        ("DROP TABLE pgqueue.fair_weight", "table pgqueue.fair_weight is missing"),
    ],
)
def test_what_is_missing_or_changed_is_found_and_mended(
    connection: Connection, look: Examine, damage: str, text: str
) -> None:
    connection.execute(damage.encode())
    found = look("drift")
    assert any(text in finding.text for finding in found), found
    for finding in found:
        assert finding.status == "problem"
        assert finding.fix_sql is not None
        for statement in statements(finding.fix_sql):
            connection.execute(statement.encode())
    assert [finding.status for finding in look("drift")] == ["ok"]


def test_a_changed_function_is_put_back_with_its_source(
    connection: Connection, look: Examine
) -> None:
    before = definition_of(connection, "add_partition")
    grants = value(connection, "SELECT proacl::text FROM pg_proc WHERE proname = 'add_partition'")
    connection.execute("DROP FUNCTION pgqueue.add_partition(date)")
    (finding,) = look("drift")
    assert finding.safe
    assert finding.fix_sql is not None
    connection.execute(finding.fix_sql.encode())
    assert definition_of(connection, "add_partition") == before
    after = value(connection, "SELECT proacl::text FROM pg_proc WHERE proname = 'add_partition'")
    assert after == grants, "everybody could add partitions with the rights of the owner"


def test_a_function_with_another_body_is_found(connection: Connection, look: Examine) -> None:
    changed = definition_of(connection, "promote").replace("max_jobs", "max_jobs ", 1)
    body = changed.replace("LIMIT max_jobs", "LIMIT 1 + max_jobs")
    assert body != changed
    connection.execute(body.encode())
    (finding,) = look("drift")
    assert finding.text.startswith("function pgqueue.promote(")
    assert finding.status == "problem"


@pytest.mark.parametrize(
    ("theirs", "text"),
    [
        ("CREATE TABLE pgqueue.mine (id int)", "table pgqueue.mine is not ours"),
        ("CREATE INDEX mine ON pgqueue.job (task)", "index pgqueue.mine is not ours"),
        ("CREATE INDEX mine ON pgqueue.job_done (task)", "index pgqueue.mine is not ours"),
        ("ALTER TABLE pgqueue.job ADD COLUMN mine int", "column pgqueue.job.mine is not ours"),
        (
            "CREATE FUNCTION pgqueue.mine(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function pgqueue.mine(a integer) is not ours",
        ),
        ("CREATE VIEW pgqueue.mine AS SELECT 1 AS one", "view pgqueue.mine is not ours"),
        (
            'CREATE TABLE pgqueue."a""; DROP TABLE job; --" (id int)',
            'table pgqueue.a"; DROP TABLE job; -- is not ours',
        ),
        (
            'CREATE FUNCTION pgqueue."f"";--"() RETURNS int LANGUAGE sql AS \'SELECT 1\'',
            'function pgqueue."f"";--"() is not ours',
        ),
        ("CREATE SEQUENCE pgqueue.mine", "sequence pgqueue.mine is not ours"),
        ("CREATE TYPE pgqueue.mine AS ENUM ('a')", "type pgqueue.mine is not ours"),
        (
            "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NEW; END';"
            "CREATE TRIGGER mine BEFORE INSERT ON pgqueue.job"
            " FOR EACH ROW EXECUTE FUNCTION public.f()",
            "trigger pgqueue.job.mine is not ours",
        ),
    ],
)
def test_what_is_not_ours_is_found_and_removed(
    connection: Connection, look: Examine, theirs: str, text: str
) -> None:
    connection.execute(theirs.encode())
    (finding,) = look("drift")
    assert (finding.status, finding.safe) == ("warning", False)
    assert finding.text == f"{text}."
    assert finding.fix_sql is not None
    connection.execute(finding.fix_sql.encode())
    assert [finding.status for finding in look("drift")] == ["ok"]


def test_row_security_and_unlogged_tables_are_drift(connection: Connection, look: Examine) -> None:
    connection.execute("ALTER TABLE pgqueue.queue ENABLE ROW LEVEL SECURITY")
    (finding,) = look("drift")
    assert "it is logged, row security, and should be logged" in finding.text
    assert finding.fix_sql is not None
    connection.execute("ALTER TABLE pgqueue.queue SET UNLOGGED")
    connection.execute(finding.fix_sql.encode())
    assert [finding.status for finding in look("drift")] == ["ok"]


def test_an_index_that_was_not_finished_is_drift(connection: Connection, look: Examine) -> None:
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pgqueue.job_ready'::regclass"
    )
    (finding,) = look("drift")
    assert "(not valid)" in finding.text
    assert finding.fix_sql is not None
    assert finding.fix_sql.startswith("DROP INDEX CONCURRENTLY pgqueue.job_ready")


def test_new_days_are_no_drift(connection: Connection, look: Examine) -> None:
    enqueue(connection)
    connection.execute("SELECT pgqueue.add_partition('2100-01-01')")
    assert [finding.status for finding in look("drift")] == ["ok"]


def test_the_search_path_makes_no_drift(connection: Connection, look: Examine) -> None:
    connection.execute("SET search_path = pgqueue, public")
    assert [finding.status for finding in look("drift")] == ["ok"]


def test_every_function_and_view_can_be_put_back() -> None:
    from pgqueue.doctor.mending import put_back

    for object, definition in expected().items():
        if object.kind in ("function", "view", "domain", "table", "index", "constraint"):
            sql, _ = put_back(object, definition, None)
            assert sql, object


def test_a_script_is_taken_apart_at_its_semicolons_only() -> None:
    script = """
    -- A comment; of no interest
    SELECT 'a;b', 1 - 2; -- more
    CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN; -- kept
    RETURN 1; END $$;
    SELECT $1;
    """
    first, second, third = statements(script)
    assert first == "SELECT 'a;b', 1 - 2"
    assert second.endswith("RETURN 1; END $$")
    assert "-- kept" in second
    assert third == "SELECT $1"


def test_an_object_reads_as_people_say_it() -> None:
    assert str(Object("index", "job_ready")) == "index pgqueue.job_ready"
