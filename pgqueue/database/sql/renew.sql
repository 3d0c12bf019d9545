-- Whether the worker is still registered, whether another one has stopped renewing, whether somebody asks
-- for stacks, and what else somebody wants.
SELECT pgqueue.renew(CAST(%(worker)s AS bigint), CAST(%(running)s AS integer)),
       EXISTS (SELECT FROM pgqueue.worker
               WHERE seen_at + lease_for < now() AND id <> CAST(%(worker)s AS bigint)),
       EXISTS (SELECT FROM pgqueue.dump
               WHERE worker_id = CAST(%(worker)s AS bigint) AND written_at IS NULL),
       (SELECT wish FROM pgqueue.wish WHERE worker_id = CAST(%(worker)s AS bigint))
