UPDATE pgqueue.worker SET draining_at = coalesce(draining_at, now()) WHERE id = CAST(%(worker)s AS bigint)
RETURNING id
