SELECT pgqueue.fail(
    CAST(%(id)s AS bigint), CAST(%(lease)s AS bigint),
    make_interval(secs => CAST(%(delay)s AS double precision)),
    CAST(%(error_type)s AS text), CAST(%(message)s AS text), CAST(%(traceback)s AS text),
    CAST(%(fingerprint)s AS text))
