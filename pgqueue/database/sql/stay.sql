-- Which of these places are still held; they are for another lease.
SELECT held.token, pgqueue.stay(held.token, make_interval(secs => held.lease))
FROM unnest(CAST(%(tokens)s AS bigint[]), CAST(%(leases)s AS double precision[])) AS held(token, lease)
