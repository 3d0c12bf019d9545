SELECT pgqueue.resume_queue(CAST(%(queue)s AS text))
