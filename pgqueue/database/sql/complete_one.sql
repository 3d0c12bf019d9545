-- One running job, in the transaction of its own handler. Zero means that the lease was lost.
SELECT pgqueue.complete(
    CAST(%(queue)s AS text), ARRAY[CAST(%(id)s AS bigint)], ARRAY[CAST(%(lease)s AS bigint)],
    CAST(%(results)s AS jsonb))
