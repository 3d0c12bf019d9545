SELECT pgqueue.retry(CAST(%(id)s AS bigint))
