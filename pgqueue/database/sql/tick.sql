SELECT at, job_id, note
FROM pgqueue.tick(
    CAST(%(name)s AS text), CAST(%(changed_at)s AS timestamptz), CAST(%(expected)s AS timestamptz),
    CAST(%(ticks)s AS timestamptz[]), CAST(%(next_at)s AS timestamptz), CAST(%(dropped)s AS timestamptz))
