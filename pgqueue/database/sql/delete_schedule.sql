SELECT pgqueue.delete_schedule(CAST(%(name)s AS text))
