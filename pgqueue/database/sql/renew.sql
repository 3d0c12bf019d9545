SELECT pgqueue.renew(CAST(%(worker)s AS bigint), CAST(%(running)s AS integer))
