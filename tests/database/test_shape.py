"""What must stay true of the schema for ever: comments, indexes, HOT updates, names."""

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import claim, claim_gated, complete, enqueue, register, row, rows, value, values

Connection = psycopg.Connection[Any]
PEOPLE_SEE = """
    SELECT c.oid, c.relname FROM pg_class c
    WHERE c.relnamespace = 'pgqueue'::regnamespace AND c.relkind IN ('r', 'p', 'v')
      AND NOT c.relispartition
"""
DOCUMENT_KINDS = {
    "tables and views": f"""
        SELECT relname FROM ({PEOPLE_SEE}) AS c WHERE obj_description(c.oid, 'pg_class') IS NULL
    """,
    "columns": f"""
        SELECT relname || '.' || attname FROM ({PEOPLE_SEE}) AS c JOIN pg_attribute a
        ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE col_description(c.oid, a.attnum) IS NULL
    """,
    "domains": """
        SELECT typname FROM pg_type t WHERE typnamespace = 'pgqueue'::regnamespace
        AND typtype = 'd' AND obj_description(t.oid, 'pg_type') IS NULL
    """,
    "functions": """
        SELECT proname FROM pg_proc p WHERE pronamespace = 'pgqueue'::regnamespace
        AND coalesce(obj_description(p.oid, 'pg_proc'), '') !~ 'caller''s transaction'
    """,
}


@pytest.mark.parametrize("kind", DOCUMENT_KINDS)
def test_everything_has_a_comment(connection: Connection, kind: str) -> None:
    assert values(connection, DOCUMENT_KINDS[kind]) == []


def test_comments_are_sentences(connection: Connection) -> None:
    query = """
        SELECT description FROM (
            SELECT objoid, description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid
            WHERE d.classoid = 'pg_class'::regclass AND c.relnamespace = 'pgqueue'::regnamespace
            UNION ALL
            SELECT objoid, description FROM pg_description d JOIN pg_type t ON t.oid = d.objoid
            WHERE d.classoid = 'pg_type'::regclass AND t.typnamespace = 'pgqueue'::regnamespace
        ) AS comment WHERE (description !~ '\\.$' OR description ~ '  ')
    """
    assert values(connection, query) == []


def test_the_primary_key_is_the_only_whole_index_on_job(connection: Connection) -> None:
    query = """
        SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = 'pgqueue.job'::regclass AND indpred IS NULL
    """
    assert values(connection, query) == ["pgqueue.job_pkey"]


def test_checks_of_one_column_of_job_are_in_its_domain(connection: Connection) -> None:
    """Every statement that writes a single row pays for parsing each CHECK of the table."""
    query = """
        SELECT conname::text FROM pg_constraint
        WHERE conrelid = 'pgqueue.job'::regclass AND contype = 'c' ORDER BY 1
    """
    assert values(connection, query) == [
        "a blocked job is not ready",
        "a lease has a worker",
        "only a ready or a blocked job has a lease",
    ]


def test_no_index_holds_a_column_that_a_claim_changes(connection: Connection) -> None:
    query = """
        SELECT DISTINCT attname::text FROM pg_index JOIN pg_attribute
        ON attrelid = indrelid AND attnum = ANY (indkey)
        WHERE indrelid = 'pgqueue.job'::regclass ORDER BY 1
    """
    assert values(connection, query) == ["id", "priority", "queue", "ready_xid", "run_at"]


def test_there_are_no_triggers(connection: Connection) -> None:
    query = """
        SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
        WHERE relnamespace = 'pgqueue'::regnamespace
    """
    assert values(connection, query) == []


def test_functions_with_the_rights_of_their_owner_choose_their_search_path(
    connection: Connection,
) -> None:
    query = """
        SELECT proname::text, array_to_string(proconfig, ',') ~ 'search_path=' AS fixed,
               has_function_privilege('pg_read_all_data', oid, 'EXECUTE') AS public
        FROM pg_proc WHERE pronamespace = 'pgqueue'::regnamespace AND prosecdef ORDER BY 1
    """
    assert [tuple(found.values()) for found in rows(connection, query)] == [
        ("add_partition", True, False),
        ("drop_partitions", True, False),
    ]


# Claims and heartbeats are HOT updates

UPDATES = """
    SELECT n_tup_upd AS updated, n_tup_hot_upd AS hot FROM pg_stat_xact_user_tables
    WHERE relid = %s::regclass
"""


@pytest.mark.parametrize("length", [0, 50, 200])
def test_a_claim_is_a_hot_update(connection: Connection, length: int) -> None:
    insert = """
        INSERT INTO pgqueue.job (task, args)
        SELECT 'task', jsonb_build_object('text', repeat('x', %s)) FROM generate_series(1, 500)
    """
    connection.execute(insert, [length])
    worker = register(connection)
    with connection.transaction():
        assert len(claim(connection, worker, 500)) == 500
        found = row(connection, UPDATES, "pgqueue.job")
    assert found == {"updated": 500, "hot": 500}


def test_a_claim_at_the_gate_is_a_hot_update(connection: Connection) -> None:
    jobs = [{"task": "t", "flow": {"fair_key": "a"}}] * 200
    connection.execute("SELECT pgqueue.enqueue_many(%s)", [Jsonb(jobs)])
    worker = register(connection)
    with connection.transaction():
        assert len(claim_gated(connection, worker, 200)) == 200
        found = row(connection, UPDATES, "pgqueue.job")
    assert found == {"updated": 200, "hot": 200}


def test_a_heartbeat_is_a_hot_update(connection: Connection) -> None:
    worker = register(connection)
    with connection.transaction():
        connection.execute("SELECT pgqueue.renew(%s, 1)", [worker])
        assert row(connection, UPDATES, "pgqueue.worker") == {"updated": 1, "hot": 1}


# Names

HOSTILE = """
    CREATE SCHEMA evil;
    CREATE TABLE evil.job (LIKE pgqueue.job); CREATE TABLE evil.queue (LIKE pgqueue.queue);
    CREATE TABLE evil.worker (LIKE pgqueue.worker); CREATE TABLE evil.job_dead (id bigint);
    CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE ''evil''; END';
    CREATE FUNCTION evil.ring(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE ''evil''; END';
    CREATE FUNCTION evil.to_char(date, text) RETURNS text
    LANGUAGE plpgsql AS 'BEGIN RAISE ''evil''; END';
"""


@pytest.mark.parametrize("search_path", ["''", "evil", "evil, public"])
def test_names_do_not_depend_on_the_search_path(connection: Connection, search_path: str) -> None:
    connection.execute(HOSTILE.encode())
    connection.execute(f"SET search_path = {search_path}".encode())
    live_a_life(connection)
    assert value(connection, "SELECT count(*) FROM evil.job") == 0


def test_the_rights_of_the_owner_cannot_be_hijacked(connection: Connection) -> None:
    connection.execute(HOSTILE.encode())
    connection.execute("SET search_path = evil, pg_catalog")
    assert value(connection, "SELECT pgqueue.add_partition('2100-01-01')") is True
    assert value(connection, "SELECT pgqueue.drop_partitions()") == 0


def test_every_isolation_level_will_do(connection: Connection) -> None:
    for level in psycopg.IsolationLevel:
        connection.isolation_level = level
        with connection.transaction():
            live_a_life(connection)


def live_a_life(connection: Connection) -> None:
    """Call every function of the schema on jobs that take every turn."""
    for _ in range(4):
        enqueue(connection)
    many = "SELECT * FROM pgqueue.enqueue_many(%s)"
    assert len(rows(connection, many, Jsonb([{"task": "t", "args": {"a": "x" * 900}}]))) == 1
    worker = register(connection)
    first, second, third, fourth, fifth = claim(connection, worker, 5)
    assert complete(connection, first, results={"1": 2}) == 1
    for query, claimed in (
        ("SELECT pgqueue.report_progress(%s, %s, '{}')", second),
        ("SELECT pgqueue.fail(%s, %s, NULL, 'E', 'm')", second),
        ("SELECT pgqueue.snooze(%s, %s, '1 s')", third),
        ("SELECT pgqueue.release(ARRAY[%s], ARRAY[%s])", fourth),
        ("SELECT pgqueue.cancel_running(%s, %s)", fifth),
    ):
        assert value(connection, query, claimed["id"], claimed["lease"]) not in (None, False, 0)
    for query in (
        "SELECT pgqueue.await_job(%s)",
        "SELECT pgqueue.cancel(%s)",
        "SELECT pgqueue.retry(%s)",
    ):
        assert value(connection, query, third["id"])
    for query in (
        "SELECT pgqueue.promote()",
        "SELECT pgqueue.rescue(true)",
        "SELECT pgqueue.pause_queue('default')",
        "SELECT pgqueue.resume_queue('default')",
        "SELECT pgqueue.set_ageing('default', '1 hour')",
        "UPDATE pgqueue.job SET enqueued_at = now() - interval '1 day', priority = -10",
        "SELECT pgqueue.enqueue('t', priority => 5)",
        "SELECT pgqueue.age()",
        "SELECT pgqueue.backlog('default'), pgqueue.running('default')",
        "SELECT pgqueue.refuse_above('default', 1000)",
        """SELECT pgqueue.count_attempts('[{"queue": "q", "task": "t", "dead": 1}]')""",
        "SELECT pgqueue.sample()",
        "SELECT count(*) FROM pgqueue.history(now() - interval '1 hour')",
        "SELECT count(*) FROM pgqueue.depths(now() - interval '1 hour')",
        "SELECT count(*) FROM pgqueue.task_statistics(now() - interval '1 hour')",
        "SELECT count(*) FROM pgqueue.queue_statistics(now() - interval '1 hour')",
        "SELECT count(*) FROM pgqueue.errors_since(now() - interval '1 hour')",
        "SELECT pgqueue.record_action('ann', 'sql', 'retry', '{}')",
        "SELECT pgqueue.declare_tasks('[]'), pgqueue.redactions('t')",
        "SELECT pgqueue.prune()",
        "SELECT pgqueue.add_partition('2100-01-01')",
        "SELECT pgqueue.drop_partitions()",
        "DELETE FROM pgqueue.job",
        "SELECT count(*) FROM pgqueue.queue_stats",
    ):
        connection.execute(query.encode())
    assert value(connection, "SELECT pgqueue.renew(%s, 0)", worker) is True
    assert value(connection, "SELECT pgqueue.unregister(%s)", worker) is True
