-- Many jobs in one round trip; their ids in order.
SELECT * FROM pgqueue.enqueue_many(CAST(%(jobs)s AS jsonb), CAST(%(max_args_bytes)s AS integer))
