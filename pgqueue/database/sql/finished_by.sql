-- Which of these claims ended in success.
SELECT done.id
FROM unnest(CAST(%(ids)s AS bigint[]), CAST(%(leases)s AS bigint[])) AS claim(id, lease)
JOIN pgqueue.job_done AS done ON done.id = claim.id AND done.lease = claim.lease
