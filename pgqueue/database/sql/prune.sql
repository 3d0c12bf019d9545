SELECT pgqueue.prune(CAST(%(max_rows)s AS integer))
