SELECT pgqueue.cancel(CAST(%(id)s AS bigint), CAST(%(reason)s AS text))
