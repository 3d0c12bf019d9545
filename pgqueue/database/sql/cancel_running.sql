-- A job that somebody else has locked must not keep the others waiting, hence the lock_timeout.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '300ms', true))
SELECT pgqueue.cancel_running(
    CAST(%(id)s AS bigint), CAST(%(lease)s AS bigint), CAST(%(reason)s AS text))
FROM patience
