SELECT pgqueue.complete(
    CAST(%(queue)s AS text), CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[]),
    CAST(%(results)s AS jsonb))
