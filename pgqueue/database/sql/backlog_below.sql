-- Whether a queue takes one more job, counted no further than that needs.
SELECT pgqueue.backlog(CAST(%(queue)s AS text), CAST(%(most)s AS integer)) < CAST(%(most)s AS integer)
