-- Many jobs of which some have flow options; their ids in order, and whether each is a new one.
SELECT job_id, created
FROM pgqueue.enqueue_many_with(CAST(%(jobs)s AS jsonb), CAST(%(max_args_bytes)s AS integer))
