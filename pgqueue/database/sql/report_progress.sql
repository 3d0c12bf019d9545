-- A row that is locked is left alone: its handler may be completing it, and others are not to wait.
WITH free AS MATERIALIZED (
    SELECT id FROM pgqueue.job
    WHERE id = CAST(%(id)s AS bigint) AND lease = CAST(%(lease)s AS bigint) FOR UPDATE SKIP LOCKED
)
SELECT pgqueue.report_progress(free.id, CAST(%(lease)s AS bigint), CAST(%(progress)s AS jsonb)) FROM free
