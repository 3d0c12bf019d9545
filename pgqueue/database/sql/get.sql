-- A job as people see it, its documents as text so that each can be decoded on its own.
SELECT id, queue, task, state, priority, attempt, max_attempts, run_at, enqueued_at, started_at,
       finished_at, timeout, CAST(args AS text), tags, CAST(meta AS text), CAST(progress AS text),
       CAST(result AS text), reason, cancel_requested_at, worker_id, CAST(flow AS text)
FROM pgqueue.jobs
WHERE id = CAST(%(id)s AS bigint)
