"""Who holds back vacuum: whoever may still have to see rows that were deleted since."""

from __future__ import annotations

from collections.abc import Iterator

from ..wording import count_of, text_of_bytes, text_of_seconds
from .database import Database, Row
from .finding import Finding, ok, problem, warning

SERIOUS = 12.0
"""How many times longer than long an open transaction is a problem: an hour of five minutes."""
SESSIONS = """
SELECT a.pid, a.application_name, a.usename AS role, a.state,
       CAST(extract(epoch FROM clock_timestamp() - a.xact_start) AS double precision) AS age
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND a.backend_type = 'client backend'
  AND a.xact_start < clock_timestamp() - make_interval(secs => %(patience)s)
ORDER BY a.xact_start
LIMIT 20
"""
HIDDEN = """
SELECT count(*) FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type IS NULL
"""
PREPARED = """
SELECT p.gid, p.owner AS role,
       CAST(extract(epoch FROM clock_timestamp() - p.prepared) AS double precision) AS age
FROM pg_prepared_xacts p
WHERE p.database = current_database()
  AND p.prepared < clock_timestamp() - make_interval(secs => %(patience)s)
ORDER BY p.prepared
"""
SLOTS = """
SELECT s.slot_name, s.slot_type, s.xmin IS NOT NULL AS pins,
       CAST(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                 ELSE pg_current_wal_lsn() END, s.restart_lsn) AS bigint) AS kept
FROM pg_replication_slots s
WHERE NOT s.active AND (s.xmin IS NOT NULL OR s.restart_lsn IS NOT NULL)
  AND (s.database IS NULL OR s.database = current_database())
ORDER BY s.slot_name
"""
STANDBYS = """
SELECT r.pid, r.application_name, age(r.backend_xmin) AS behind FROM pg_stat_replication r
WHERE age(r.backend_xmin) > 1000000
"""


def horizon(database: Database) -> Iterator[Finding]:
    """Name everybody who keeps dead rows from being removed, and what to do about each."""
    patience = database.patience
    found = [
        *(_session(row, patience) for row in database.rows(SESSIONS, patience=patience)),
        *(_prepared(row) for row in database.rows(PREPARED, patience=patience)),
        *(_slot(row) for row in database.rows(SLOTS)),
        *(_standby(row) for row in database.rows(STANDBYS)),
    ]
    hidden = database.value(HIDDEN)
    if hidden:
        text = f"what {count_of(hidden, 'session')} of other roles do is hidden from this role."
        found.append(warning(text, "GRANT pg_read_all_stats TO the role"))
    if found:
        yield from found
    else:
        yield ok(f"no transaction has been open for more than {text_of_seconds(patience)}.")


def _session(row: Row, patience: float) -> Finding:
    who = f'pid {row["pid"]} "{row["application_name"]}" ({row["role"]})'
    idle = str(row["state"]).startswith("idle in transaction")
    does = "idle in a transaction" if idle else "in one transaction"
    text = f"{who} has been {does} for {text_of_seconds(row['age'])}, and holds back vacuum."
    kind = problem if row["age"] >= SERIOUS * patience else warning
    fix = f"end pid {row['pid']}" + (
        "; against the next one: SET idle_in_transaction_session_timeout" if idle else ""
    )
    return kind(text, fix, fix_sql=f"SELECT pg_terminate_backend({row['pid']});")


def _prepared(row: Row) -> Finding:
    gid = str(row["gid"]).replace("'", "''")
    text = (
        f'prepared transaction "{row["gid"]}" ({row["role"]}) has been waiting for '
        f"{text_of_seconds(row['age'])}, and holds back vacuum."
    )
    fix = "let its coordinator commit it, or roll it back"
    return problem(text, fix, fix_sql=f"ROLLBACK PREPARED '{gid}';")


def _slot(row: Row) -> Finding:
    name = str(row["slot_name"]).replace("'", "''")
    holds = "vacuum and " if row["pins"] else ""
    kept = text_of_bytes(max(0, row["kept"] or 0))
    text = f"nobody reads from replication slot {name}: it holds back {holds}{kept} of WAL."
    fix = "start its reader again, or drop the slot"
    return warning(text, fix, fix_sql=f"SELECT pg_drop_replication_slot('{name}');")


def _standby(row: Row) -> Finding:
    text = (
        f'a long query on standby "{row["application_name"]}" holds back vacuum here, '
        f"{row['behind']:,} transactions so far."
    )
    return warning(text, "end it there, or switch its hot_standby_feedback off")
