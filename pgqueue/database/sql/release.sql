SELECT pgqueue.release(CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[]))
