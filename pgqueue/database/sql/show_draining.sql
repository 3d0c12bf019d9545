UPDATE pgqueue.worker
SET draining_at = CASE WHEN CAST(%(draining)s AS text) IS NOT NULL THEN coalesce(draining_at, now()) END,
    quiet = coalesce(CAST(%(draining)s AS text) = 'quiet', false)
WHERE id = CAST(%(worker)s AS bigint)
