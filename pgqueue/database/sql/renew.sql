-- Whether the worker is still registered, and whether another one has stopped renewing.
SELECT pgqueue.renew(CAST(%(worker)s AS bigint), CAST(%(running)s AS integer)),
       EXISTS (SELECT FROM pgqueue.worker
               WHERE seen_at + lease_for < now() AND id <> CAST(%(worker)s AS bigint))
