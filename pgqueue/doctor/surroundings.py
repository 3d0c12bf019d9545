"""What stands between the queue and the server: rights, poolers, connections, notifications."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg.pq import TransactionStatus

from ..wording import count_of
from .database import Database
from .finding import Finding, ok, problem, warning

PER_WORKER = 5
"""Connections of a worker process: claimer, finisher, heart, listener, janitor."""
ALMOST_FULL, FULL = 0.8, 0.95
SLOW_NOTIFICATIONS, LOST_NOTIFICATIONS = 0.1, 0.5
RIGHTS = """
SELECT CAST(current_user AS text) AS role,
       has_schema_privilege('pgqueue', 'USAGE') AS usage,
       (SELECT bool_and(has_table_privilege(c.oid, 'SELECT')) FROM pg_class c
        WHERE c.relnamespace = CAST('pgqueue' AS regnamespace)
          AND c.relkind IN ('r', 'p', 'v')) AS look,
       (SELECT bool_and(has_table_privilege(c.oid, 'SELECT')
                        AND has_table_privilege(c.oid, 'INSERT')
                        AND has_table_privilege(c.oid, 'UPDATE')
                        AND has_table_privilege(c.oid, 'DELETE')) FROM pg_class c
        WHERE c.relnamespace = CAST('pgqueue' AS regnamespace) AND c.relkind IN ('r', 'p')
          AND c.relname <> 'schema_version') AS work,
       (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p
        WHERE p.pronamespace = CAST('pgqueue' AS regnamespace) AND NOT p.prosecdef) AS execute,
       (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p
        WHERE p.pronamespace = CAST('pgqueue' AS regnamespace) AND p.prosecdef) AS keep,
       (SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace n
        WHERE n.nspname = 'pgqueue') AS own
"""
ROOM = """
SELECT CAST(current_setting('max_connections') AS integer)
       - CAST(current_setting('superuser_reserved_connections') AS integer)
       - CAST(coalesce(current_setting('reserved_connections', true), '0') AS integer) AS most,
       CAST((SELECT sum(d.numbackends) FROM pg_stat_database d) AS integer) AS used,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.application_name LIKE 'pgqueue %%') AS ours
"""
LISTENERS = "SELECT pg_notification_queue_usage()"
BACKEND = "SELECT pg_backend_pid()"


def privileges(database: Database) -> Iterator[Finding]:
    """Tell what this role may do. Only the owner of the schema may do more than a worker needs."""
    may = database.row(RIGHTS)
    role = may["role"]
    words = {"look": "look", "work": "enqueue and work", "keep": "add and drop days of history"}
    able = [word for name, word in words.items() if may[name]]
    missing = [word for name, word in words.items() if not may[name]]
    if not may["usage"] or not may["execute"] or missing:
        can = f"may {', '.join(able)}, but " if able else ""
        text = f"role {role} {can}may not {', '.join(missing) or 'call every function'}."
        fix = "the owner of the schema grants it, if this role is meant to"
        yield warning(text, fix, fix_sql=_grants(role, may["keep"]))
        return
    owner = "; it owns the schema, so it may change it, too" if may["own"] else ""
    yield ok(f"role {role} may {', '.join(able)}{owner}.")


def _grants(role: str, keeps: bool) -> str:
    name = '"' + role.replace('"', '""') + '"'
    lines = [
        f"GRANT USAGE ON SCHEMA pgqueue TO {name};",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgqueue TO {name};",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA pgqueue TO {name};",
    ]
    if not keeps:
        lines.append(
            f"GRANT EXECUTE ON FUNCTION pgqueue.add_partition, pgqueue.drop_partitions TO {name};"
        )
    return "\n".join(lines)


def pooler(database: Database) -> Iterator[Finding]:
    """Find out whether a pooler is in between, and whether it lends a backend for a transaction.

    A pooler gives out process ids of its own. In transaction mode the backend that we had is lent
    to a second connection, or we are given another one while that holds it.
    """
    connection = database.connection
    ours = database.value(BACKEND)
    if ours == connection.info.backend_pid:
        yield ok("no pooler in between.")
    elif connection.info.transaction_status != TransactionStatus.IDLE:
        text = "a pooler is in between; its mode cannot be told inside of a transaction."
        yield warning(text, "examine over a connection that is in no transaction")
    elif _lends(database, ours):
        text = "a pooler in transaction mode: LISTEN is not delivered, so workers only poll."
        yield warning(text, "give workers a DSN to the server itself, or --no-listen --poll 1s")
    else:
        yield ok("a pooler in session mode, which is as good as none.")


def _lends(database: Database, ours: int) -> bool:
    info = database.connection.info
    with psycopg.connect(info.dsn, password=info.password or None, connect_timeout=5) as second:
        ((lent,),) = second.execute(BACKEND).fetchall()
        return bool(lent == ours or database.value(BACKEND) != ours)


def room(database: Database) -> Iterator[Finding]:
    """Compare the connections in use with those that there may be."""
    found = database.row(ROOM)
    used, most = found["used"] or 0, found["most"]
    ours = f", {found['ours']:,} of them by pgqueue" if found["ours"] else ""
    text = f"{used:,} of {count_of(most, 'connection')} in use{ours}."
    fix = (
        f"raise max_connections, or put a pooler before the application; "
        f"a worker process takes {PER_WORKER}"
    )
    if used >= FULL * most:
        yield problem(text, fix)
    elif used >= ALMOST_FULL * most:
        yield warning(text, fix)
    else:
        yield ok(text)


def notifications(database: Database) -> Iterator[Finding]:
    """Look at the queue that all NOTIFY of the server goes through."""
    yield judge(float(database.value(LISTENERS)))


def judge(usage: float) -> Finding:
    """What it means that the queue of notifications is so full."""
    text = f"the server's queue of notifications is {usage:.0%} full."
    fix = "end the oldest transaction of a session that listens: pgqueue doctor --only horizon"
    if usage >= LOST_NOTIFICATIONS:
        return problem(f"{text} When it is full, every commit that notifies fails.", fix)
    if usage >= SLOW_NOTIFICATIONS:
        return warning(text, fix)
    return ok(text)
