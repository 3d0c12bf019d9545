SELECT pgqueue.resume_schedule(CAST(%(name)s AS text))
