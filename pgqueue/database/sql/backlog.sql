SELECT pgqueue.backlog(CAST(%(queue)s AS text), CAST(%(most)s AS integer))
