SELECT job_id, verdict, reason
FROM pgqueue.check_leases(CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[]))
