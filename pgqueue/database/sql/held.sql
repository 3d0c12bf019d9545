SELECT job_id, free FROM pgqueue.held(CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[]))
