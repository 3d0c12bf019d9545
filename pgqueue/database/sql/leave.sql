SELECT pgqueue.leave(CAST(%(token)s AS bigint))
