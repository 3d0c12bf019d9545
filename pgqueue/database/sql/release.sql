-- A job that somebody else has locked must not keep the others waiting, hence the lock_timeout.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '300ms', true))
SELECT pgqueue.release(CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[]))
FROM patience
