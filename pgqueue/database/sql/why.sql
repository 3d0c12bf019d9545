SELECT pgqueue.why(CAST(%(id)s AS bigint))
