SELECT pgqueue.resume(CAST(%(kind)s AS text), CAST(%(name)s AS text))
