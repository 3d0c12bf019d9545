-- One job with flow options, in the caller's transaction, and whether it is a new one.
SELECT job_id, created
FROM pgqueue.enqueue_with(
    CAST(%(task)s AS text), CAST(%(args)s AS jsonb), CAST(%(queue)s AS text),
    CAST(%(priority)s AS integer),
    coalesce(CAST(%(run_at)s AS timestamptz),
             now() + make_interval(secs => CAST(%(delay)s AS double precision))),
    CAST(%(max_attempts)s AS integer),
    make_interval(secs => CAST(%(timeout)s AS double precision)),
    CAST(%(tags)s AS text[]), CAST(%(meta)s AS jsonb), CAST(%(max_args_bytes)s AS integer),
    CAST(%(flow)s AS jsonb))
