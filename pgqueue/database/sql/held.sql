-- Which of these claims still hold their lease.
SELECT claim.id
FROM unnest(CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[])) AS claim(id, lease)
WHERE EXISTS (SELECT FROM pgqueue.job WHERE job.id = claim.id AND job.lease = claim.lease)
