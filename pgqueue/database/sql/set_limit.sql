SELECT pgqueue.set_limit(
    CAST(%(name)s AS text),
    CAST(%(concurrency)s AS integer),
    CAST(%(rate)s AS integer),
    make_interval(secs => CAST(%(per)s AS double precision)),
    CAST(%(burst)s AS integer),
    CAST(%(sliding)s AS boolean),
    CAST(%(when_full)s AS text)
)
