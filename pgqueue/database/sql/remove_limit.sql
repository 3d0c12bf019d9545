SELECT pgqueue.remove_limit(CAST(%(name)s AS text))
