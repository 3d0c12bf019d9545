SELECT pgqueue.unregister(CAST(%(worker)s AS bigint))
