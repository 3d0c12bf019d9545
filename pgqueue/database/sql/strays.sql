-- Jobs that are leased to a worker which does not know of it. Reads the whole table; rarely asked.
SELECT id, lease
FROM pgqueue.job
WHERE worker_id = CAST(%(worker)s AS bigint) AND lease <> ALL (CAST(%(held)s AS bigint[]))
ORDER BY id
