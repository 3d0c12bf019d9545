SELECT pgqueue.running(CAST(%(queue)s AS text), CAST(%(most)s AS integer))
