-- A crash of the server may cost a second of statistics, so nobody waits for the disk.
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
SELECT pgqueue.count_attempts(CAST(%(counts)s AS jsonb))
FROM relaxed
