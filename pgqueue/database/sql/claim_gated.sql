SELECT id, lease, task, args, attempt, max_attempts, priority, ready_xid, due, waited, timeout, tags,
       meta, progress, snapshot, epoch
FROM pgqueue.claim_gated(
    CAST(%(queue)s AS text), CAST(%(max_jobs)s AS integer), CAST(%(worker)s AS bigint),
    CAST(%(unknown)s AS text[]))
