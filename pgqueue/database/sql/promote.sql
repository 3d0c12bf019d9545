SELECT pgqueue.promote(CAST(%(max_jobs)s AS integer))
