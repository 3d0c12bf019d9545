SELECT pgqueue.age(CAST(%(max_jobs)s AS integer))
