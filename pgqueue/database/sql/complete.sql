-- A job that somebody else has locked must not keep the others waiting, hence the lock_timeout.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '300ms', true))
SELECT pgqueue.complete(
    CAST(%(queue)s AS text), CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[]),
    CAST(%(results)s AS jsonb))
FROM patience
