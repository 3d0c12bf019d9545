SELECT pgqueue.why(CAST(%(id)s AS bigint)),
       (SELECT pgqueue.quote(f.error_type || ': ' || f.message) FROM pgqueue.failures AS f
        WHERE f.job_id = CAST(%(id)s AS bigint) ORDER BY f.id DESC LIMIT 1)
