"""The database under the queue: sizes, vacuum, open transactions, connections, days kept, settings.

It reads the catalogue and no table of jobs; what the doctor found stands beside it.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..database import Session
from ..visit import Visit, page

SERVER = """
SELECT current_database() AS database, current_user AS role,
       current_setting('server_version') AS version,
       pg_database_size(current_database()) AS size,
       pg_postmaster_start_time() AS started_at, pg_is_in_recovery() AS recovers,
       pg_notification_queue_usage() AS notify,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
       CAST(current_setting('max_connections') AS integer) AS most_connections
"""
LOCKED = """
SELECT ARRAY(SELECT DISTINCT l.relation FROM pg_locks l
             WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND l.relation IS NOT NULL)
"""
"""Whose size nobody is told now: to ask for it is to wait for whoever has the lock."""
TABLES = """
SELECT c.relname AS name, c.oid = ANY (%(locked)s) AS locked,
       CASE WHEN c.oid <> ALL (%(locked)s) THEN pg_table_size(c.oid) END AS size,
       CASE WHEN c.oid <> ALL (%(locked)s) THEN pg_indexes_size(c.oid) END AS indexes,
       CASE WHEN c.reltuples >= 0 THEN c.reltuples END AS rows, s.n_dead_tup AS dead,
       greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed,
       greatest(s.last_analyze, s.last_autoanalyze) AS analyzed,
       s.n_dead_tup > 1000 AND s.n_dead_tup > 10 * (own.threshold + own.factor * s.n_live_tup)
           AS late
FROM pg_class c JOIN pg_stat_all_tables s ON s.relid = c.oid,
LATERAL (
    SELECT CAST(coalesce(
               max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_vacuum_threshold'),
               current_setting('autovacuum_vacuum_threshold')) AS float) AS threshold,
           CAST(coalesce(
               max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_vacuum_scale_factor'),
               current_setting('autovacuum_vacuum_scale_factor')) AS float) AS factor
    FROM pg_options_to_table(c.reloptions) o) AS own
WHERE c.relnamespace = CAST('pgqueue' AS regnamespace) AND c.relkind = 'r' AND NOT c.relispartition
ORDER BY 3 DESC NULLS FIRST, 1 LIMIT 60
"""
INDEXES = """
SELECT i.relname AS name, t.relname AS table,
       CASE WHEN i.oid <> ALL (%(locked)s) THEN pg_relation_size(i.oid) END AS size,
       s.idx_scan AS scans
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.oid
WHERE t.relnamespace = CAST('pgqueue' AS regnamespace) AND NOT t.relispartition
  AND i.relkind = 'i' ORDER BY 3 DESC NULLS LAST, 1 LIMIT 15
"""
DAYS = """
SELECT c.relname AS name, CASE WHEN c.reltuples >= 0 THEN c.reltuples END AS rows,
       CASE WHEN c.oid <> ALL (%(locked)s) THEN pg_total_relation_size(c.oid) ELSE 0 END AS size,
       to_date(right(c.relname, 8), 'YYYYMMDD') - (now() AT TIME ZONE 'UTC')::date AS ahead
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = CAST('pgqueue.job_done' AS regclass) AND c.relname ~ '^job_done_[0-9]{8}$'
ORDER BY c.relname DESC LIMIT 400
"""
KEPT = """
SELECT coalesce(max(q.keep_succeeded), interval '7 days') AS kept FROM pgqueue.queue q
"""
TRANSACTIONS = """
SELECT 'session' AS kind, CAST(a.pid AS text) AS name, a.application_name AS application,
       CAST(a.usename AS text) AS role, a.state, a.wait_event,
       clock_timestamp() - a.xact_start AS open,
       'SELECT pg_terminate_backend(' || a.pid || ');' AS fix
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.xact_start IS NOT NULL
  AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
UNION ALL
SELECT 'prepared', p.gid, NULL, CAST(p.owner AS text), 'prepared', NULL,
       clock_timestamp() - p.prepared, format('ROLLBACK PREPARED %%L;', p.gid)
FROM pg_prepared_xacts p WHERE p.database = current_database()
ORDER BY open DESC LIMIT 8
"""
SLOTS = """
SELECT s.slot_name AS name, s.slot_type AS kind, s.active,
       s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL AS pins,
       format('SELECT pg_drop_replication_slot(%%L);', s.slot_name) AS fix
FROM pg_replication_slots s ORDER BY s.active, s.slot_name LIMIT 20
"""
CONNECTIONS = """
SELECT coalesce(nullif(a.application_name, ''), '(no name)') AS application,
       count(*) AS connections,
       count(*) FILTER (WHERE a.state = 'active') AS active,
       count(*) FILTER (WHERE a.state LIKE 'idle in transaction%%') AS idle_in_transaction,
       count(*) FILTER (WHERE a.state IS NULL) AS hidden
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend'
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 25
"""
USED = "SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type = 'client backend'"
SETTINGS = """
SELECT s.name, current_setting(s.name) AS value, s.source, s.pending_restart
FROM pg_settings s WHERE s.name = ANY (%s) ORDER BY s.name
"""
MATTERS = {
    "autovacuum": "off: dead rows pile up and claims become slow",
    "autovacuum_max_workers": "few workers come late to busy tables",
    "autovacuum_naptime": "how often it looks",
    "checkpoint_timeout": "short: more is written to the log",
    "idle_in_transaction_session_timeout": "0: a forgotten transaction holds back vacuum for ever",
    "max_connections": "workers hold two to four each",
    "max_prepared_transactions": "prepared ones that nobody ends hold back vacuum",
    "max_wal_size": "small: checkpoints come often",
    "shared_buffers": "live jobs should fit",
    "synchronous_commit": "off: the newest jobs may be lost in a crash of the server",
    "track_counts": "off: autovacuum is blind",
    "work_mem": "each sort and hash may take so much",
}
DAY_NAME = re.compile(r"job_done_(\d{4})(\d\d)(\d\d)")


@page
async def database(visit: Visit) -> Response:
    found = await visit.cached("database", lambda: _look(visit))
    health = await visit.services.doctor.health()
    return visit.page("database.html", title="Database", health=health, matters=MATTERS, **found)


async def _look(visit: Visit) -> dict[str, Any]:
    async with visit.look() as session:
        locked = {"locked": await session.value(LOCKED)}
        return {
            "server": await session.row(SERVER),
            "tables": await session.rows(TABLES, locked),
            "indexes": await session.rows(INDEXES, locked),
            "kept": await _kept(session, locked),
            "transactions": await session.rows(TRANSACTIONS, []),
            "slots": await session.rows(SLOTS, []),
            "connections": await session.rows(CONNECTIONS, []),
            "used": await session.value(USED),
            "settings": await session.rows(SETTINGS, [list(MATTERS)]),
        }


async def _kept(session: Session, locked: dict[str, Any]) -> dict[str, Any]:
    """The days of succeeded jobs, and how much there will be when as many are full as are kept."""
    days = await session.rows(DAYS, locked)
    kept = await session.row(KEPT)
    assert kept is not None
    for day in days:
        day["date"] = DAY_NAME.sub(r"\1-\2-\3", day["name"])
    full = [day["size"] for day in days if -8 <= day["ahead"] < 0]
    a_day = sum(full) / len(full) if full else None
    length = kept["kept"].total_seconds() / 86400
    past = [day for day in days if day["ahead"] <= 0]
    return {
        **kept,
        "days": past[:40],
        "ahead": len(days) - len(past),
        "most": max((day["size"] for day in past), default=0),
        "size": sum(day["size"] for day in days),
        "a_day": a_day,
        "forecast": None if a_day is None else a_day * (length + 1),
    }


def routes() -> list[BaseRoute]:
    return [Route("/database", database)]
