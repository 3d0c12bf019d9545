-- Which of these claims still hold their lease, and whether nobody has locked their row.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '300ms', true))
SELECT leased.id, free.id IS NOT NULL
FROM patience,
     unnest(CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[])) AS claim(id, lease)
JOIN pgqueue.job AS leased ON leased.id = claim.id AND leased.lease = claim.lease
LEFT JOIN LATERAL (
    SELECT job.id FROM pgqueue.job AS job
    WHERE job.id = claim.id AND job.lease = claim.lease FOR UPDATE SKIP LOCKED
) AS free ON true
