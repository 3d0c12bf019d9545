SELECT pgqueue.register(
    CAST(%(name)s AS text), CAST(%(host)s AS text), CAST(%(pid)s AS integer), CAST(%(version)s AS text),
    CAST(%(queues)s AS text[]), CAST(%(tasks)s AS text[]), CAST(%(concurrency)s AS integer),
    make_interval(secs => CAST(%(lease_for)s AS double precision)), CAST(%(schedules)s AS jsonb))
