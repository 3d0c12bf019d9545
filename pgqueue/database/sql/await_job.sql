SELECT pgqueue.await_job(CAST(%(id)s AS bigint))
