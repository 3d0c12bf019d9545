-- One job, in the caller's transaction. A delay counts from the database's clock.
SELECT pgqueue.enqueue(
    CAST(%(task)s AS text), CAST(%(args)s AS jsonb), CAST(%(queue)s AS text),
    CAST(%(priority)s AS integer),
    coalesce(CAST(%(run_at)s AS timestamptz),
             now() + make_interval(secs => CAST(%(delay)s AS double precision))),
    CAST(%(max_attempts)s AS integer),
    make_interval(secs => CAST(%(timeout)s AS double precision)),
    CAST(%(tags)s AS text[]), CAST(%(meta)s AS jsonb), CAST(%(max_args_bytes)s AS integer))
