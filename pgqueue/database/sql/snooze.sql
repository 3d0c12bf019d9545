SELECT pgqueue.snooze(
    CAST(%(id)s AS bigint), CAST(%(lease)s AS bigint),
    make_interval(secs => CAST(%(delay)s AS double precision)))
