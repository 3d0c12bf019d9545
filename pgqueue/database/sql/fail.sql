-- A job that somebody else has locked must not keep the others waiting, hence the lock_timeout.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '300ms', true))
SELECT pgqueue.fail(
    CAST(%(id)s AS bigint), CAST(%(lease)s AS bigint),
    make_interval(secs => CAST(%(delay)s AS double precision)),
    CAST(%(error_type)s AS text), CAST(%(message)s AS text), CAST(%(traceback)s AS text),
    CAST(%(fingerprint)s AS text), CAST(%(place)s AS text))
FROM patience
