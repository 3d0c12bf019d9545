"""A schema as lines of text, so that two databases can be compared."""

from typing import Any

import psycopg

COLUMNS = """
    SELECT c.relname || '.' || a.attname || ' ' || a.attnum || ' '
           || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' '
           || a.attidentity::text
           || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
           || ' -- ' || coalesce(col_description(c.oid, a.attnum), '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'pgqueue'::regnamespace AND NOT a.attisdropped
"""
RELATIONS = """
    SELECT c.relkind::text || ' ' || c.relname || ' ' || coalesce(c.reloptions::text, '') || ' '
           || coalesce(t.reloptions::text, '') || ' ' || coalesce(c.relacl::text, '')
           || ' ' || coalesce(pg_get_expr(c.relpartbound, c.oid), '')
           || ' -- ' || coalesce(obj_description(c.oid, 'pg_class'), '')
    FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE c.relnamespace = 'pgqueue'::regnamespace
"""
CONSTRAINTS = """
    SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'pgqueue'::regnamespace
"""
DOMAINS = """
    SELECT format_type(oid, NULL) || ' ' || format_type(typbasetype, typtypmod) || ' '
           || coalesce(obj_description(oid, 'pg_type'), '') || ' ' || ARRAY(
               SELECT conname || ' ' || pg_get_constraintdef(c.oid)
               FROM pg_constraint c WHERE c.contypid = t.oid ORDER BY conname)::text
    FROM pg_type t WHERE typnamespace = 'pgqueue'::regnamespace AND typtype = 'd'
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'pgqueue'"
VIEWS = "SELECT viewname || ' ' || definition FROM pg_views WHERE schemaname = 'pgqueue'"
FUNCTIONS = """
    SELECT pg_get_functiondef(oid) || ' ' || coalesce(proacl::text, '')
           || ' -- ' || coalesce(obj_description(oid, 'pg_proc'), '')
    FROM pg_proc WHERE pronamespace = 'pgqueue'::regnamespace
"""
ROWS = """
    SELECT 'revision ' || version_num FROM pgqueue.schema_version
    UNION ALL SELECT q::text FROM pgqueue.queue q
    UNION ALL SELECT obj_description('pgqueue'::regnamespace, 'pg_namespace')
"""
EVERYTHING = (COLUMNS, RELATIONS, CONSTRAINTS, DOMAINS, INDEXES, VIEWS, FUNCTIONS, ROWS)


def describe_schema(connection: psycopg.Connection[Any]) -> list[str]:
    """Everything in schema pgqueue that matters, each thing a line, sorted."""
    return [
        row[0]
        for query in EVERYTHING
        for row in sorted(connection.execute(query.encode()).fetchall())
    ]
