"""What lies in the tables and should not: dead rows, bloated indexes, history past its time."""

from __future__ import annotations

from collections.abc import Iterator

from ..wording import count_of, text_of_bytes, text_of_seconds
from .database import Database
from .finding import Finding, ok, problem, warning

BEHIND = 10
"""How many times the number of dead rows at which autovacuum should come is too many."""
FEW_UPDATES = 1000
MOSTLY = 0.5
DAYS_AHEAD = 2
MOST_COUNTED = 10_000
DEAD_ROWS = """
WITH stats AS (
    SELECT s.relname, s.n_dead_tup AS dead, s.n_live_tup AS live,
           CAST(extract(epoch FROM now() - greatest(s.last_autovacuum, s.last_vacuum))
                AS double precision) AS since,
           own.enabled,
           CAST(coalesce(own.threshold, current_setting('autovacuum_vacuum_threshold')) AS float)
           + s.n_live_tup * CAST(
               coalesce(own.factor, current_setting('autovacuum_vacuum_scale_factor')) AS float
           ) AS due
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid,
    LATERAL (
        SELECT max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_enabled') AS enabled,
               max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_vacuum_threshold')
                   AS threshold,
               max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_vacuum_scale_factor')
                   AS factor
        FROM pg_options_to_table(c.reloptions) o
    ) AS own
    WHERE s.schemaname = 'pgqueue'
)
SELECT CAST(relname AS text) AS name, dead, live, since, enabled, due,
       dead > 1000 AND dead > %(behind)s * due AS late
FROM stats ORDER BY dead DESC
"""
AUTOVACUUM = (
    "SELECT current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on'"
)
UPDATES = """
SELECT s.n_tup_upd AS updates, s.n_tup_hot_upd AS hot FROM pg_stat_user_tables s
WHERE s.schemaname = 'pgqueue' AND s.relname = 'job'
"""
# Of each B-tree: how many pages its entries would fill at 90 %, by the widths that ANALYZE saw.
BLOAT = """
SELECT CAST(c.relname AS text) AS name, pg_relation_size(c.oid) AS size,
       CAST(current_setting('block_size') AS integer)
       * (1 + ceil(greatest(c.reltuples, 0) * (12 + width.bytes) / (0.9 * 8152))) AS full_size
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = i.indrelid,
LATERAL (
    SELECT 8 * ceil(coalesce(sum(coalesce(s.avg_width, 8)), 8) / 8.0) AS bytes
    FROM pg_attribute a LEFT JOIN pg_stats s
      ON s.schemaname = 'pgqueue' AND s.tablename = t.relname AND s.attname = a.attname
    WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey)
) AS width
WHERE c.relnamespace = CAST('pgqueue' AS regnamespace) AND c.relkind = 'i'
"""
BLOATED, TIMES = 8 * 1024 * 1024, 4.0
DAYS = """
SELECT to_char(day, 'YYYY-MM-DD') AS day,
       to_regclass('pgqueue.job_done_' || to_char(day, 'YYYYMMDD')) IS NOT NULL AS there
FROM generate_series(now(), now() + make_interval(days => %(ahead)s), interval '1 day') AS day
"""
STRAYED = """
SELECT count(*) FROM (SELECT FROM pgqueue.job_done_default LIMIT %(most)s + 1) AS strayed
"""
OVERDUE = """
SELECT (SELECT count(*) FROM (
            SELECT FROM pgqueue.job_dead d LEFT JOIN pgqueue.queue q ON q.name = d.queue
            WHERE d.finished_at
                  < now() - interval '1 day' - coalesce(q.keep_dead, interval '30 days')
            LIMIT %(most)s + 1) AS dead) AS dead,
       (SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = CAST('pgqueue.job_done' AS regclass)
          AND c.relname ~ '^job_done_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < CAST(now() - interval '2 days' - (
              SELECT coalesce(max(q.keep_succeeded), interval '7 days') FROM pgqueue.queue q
          ) AS date)
       ) AS days,
       pg_total_relation_size('pgqueue.job_dead')
       + (SELECT coalesce(sum(pg_total_relation_size(i.inhrelid)), 0) FROM pg_inherits i
          WHERE i.inhparent = CAST('pgqueue.job_done' AS regclass)) AS size
"""


def vacuum(database: Database) -> Iterator[Finding]:
    """Find tables in which dead rows pile up, and those that autovacuum was told to leave alone."""
    found = list(_vacuum(database))
    yield from found or [ok("autovacuum keeps up with the dead rows of every table.")]


def _vacuum(database: Database) -> Iterator[Finding]:
    if not database.value(AUTOVACUUM):
        yield problem(
            "autovacuum is off on this server: dead rows pile up.",
            "switch it on in postgresql.conf, with track_counts",
            fix_sql="ALTER SYSTEM SET autovacuum = on;\nSELECT pg_reload_conf();",
        )
    for row in database.rows(DEAD_ROWS, behind=BEHIND):
        table = f"pgqueue.{row['name']}"
        if row["enabled"] in ("false", "off", "no", "0"):
            fix_sql = f"ALTER TABLE {table} RESET (autovacuum_enabled);"
            yield problem(f"autovacuum is switched off for {table}.", fix_sql=fix_sql)
        if row["late"]:
            last = "never" if row["since"] is None else f"{text_of_seconds(row['since'])} ago"
            text = f"{table} has {row['dead']:,} dead rows; it was last vacuumed {last}."
            fix = "first end who holds it back (pgqueue doctor --only horizon), then vacuum"
            yield warning(text, fix, fix_sql=f"VACUUM (SKIP_LOCKED) {table};", safe=True)


def hot(database: Database) -> Iterator[Finding]:
    """Claims change no indexed column, so most updates of a job should touch no index."""
    found = database.row(UPDATES)
    updates, share = found["updates"], found["hot"] / max(1, found["updates"])
    text = f"{share:.0%} of {count_of(updates, 'update')} of jobs touched no index."
    if updates >= FEW_UPDATES and share < MOSTLY:
        fix = (
            "look for indexes on pgqueue.job that are not ours (pgqueue doctor --only drift) and "
            "for long transactions (--only horizon); many retries and schedules are a reason, too"
        )
        yield warning(text, fix)
    else:
        yield ok(text if updates else "no job was updated yet.")


def bloat(database: Database) -> Iterator[Finding]:
    """Estimate, from statistics alone, which indexes are mostly air."""
    found = [
        warning(
            f"index pgqueue.{row['name']} takes {text_of_bytes(row['size'])}, about "
            f"{row['size'] / row['full_size']:.0f} times what its entries need.",
            "build it anew; workers go on meanwhile",
            fix_sql=f"REINDEX INDEX CONCURRENTLY pgqueue.{row['name']};",
        )
        for row in database.rows(BLOAT)
        if row["size"] >= BLOATED and row["size"] > TIMES * row["full_size"]
    ]
    yield from found or [ok("no index is far larger than its entries.")]


def partitions(database: Database) -> Iterator[Finding]:
    """Completions need a day to go to; the default partition is where they go without one."""
    days = database.rows(DAYS, ahead=DAYS_AHEAD)
    missing = [row["day"] for row in days if not row["there"]]
    if missing:
        sql = "\n".join(f"SELECT pgqueue.add_partition('{day}');" for day in missing)
        kind = problem if len(missing) == len(days) else warning
        text = f"job_done has no partition for {', '.join(missing)}: no worker adds them."
        yield kind(text, "start a worker, or add them", fix_sql=sql, safe=True)
    strayed = database.value(STRAYED, most=MOST_COUNTED)
    if strayed:
        text = f"the default partition of job_done has {_at_least(strayed, 'row')}."
        yield warning(text, "add the days that they belong to; their rows move in")
    if not missing and not strayed:
        yield ok(f"job_done has its days up to {days[-1]['day']}, and nothing strayed.")


def retention(database: Database) -> Iterator[Finding]:
    """Look for history that should be gone: workers remove it, a thousand rows at a time."""
    found = database.row(OVERDUE, most=MOST_COUNTED)
    dead, days, size = found["dead"], found["days"], text_of_bytes(int(found["size"]))
    if dead:
        text = f"{_at_least(dead, 'dead job')} should have been removed a day ago."
        yield warning(
            text, "start a worker, or prune", fix_sql="SELECT pgqueue.prune();", safe=True
        )
    if days:
        text = f"{count_of(days, 'day')} of job_done should have been dropped."
        fix = "end who holds job_done (pgqueue doctor --only horizon), then drop them"
        sql = "SELECT pgqueue.drop_partitions();"
        yield warning(text, fix, fix_sql=sql, safe=True)
    if not dead and not days:
        yield ok(f"ended jobs take {size}, and none is kept past its time.")


def _at_least(number: int, noun: str) -> str:
    """What was counted up to a bound."""
    if number > MOST_COUNTED:
        return f"more than {count_of(MOST_COUNTED, noun)}"
    return count_of(number, noun)
