-- A schedule as people see it, its documents as text so that each can be decoded on its own.
SELECT name, task, state, cron, every, at, timezone, next_tick, last_tick, last_job_id, last_job_state, known,
       CAST(args AS text), queue, priority, max_attempts, timeout, tags, CAST(meta AS text), CAST(flow AS text), missed, most_missed,
       overlap, jitter, declared, error, paused_at, paused_by, pause_reason, created_at, changed_at
FROM pgqueue.schedules
WHERE name = CAST(%(name)s AS text)
