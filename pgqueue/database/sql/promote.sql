-- Until when the next job is due, and whether there is a queue whose jobs rise while they wait.
SELECT pgqueue.promote(CAST(%(max_jobs)s AS integer)), EXISTS (SELECT FROM pgqueue.queue WHERE ageing IS NOT NULL)
