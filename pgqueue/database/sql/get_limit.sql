SELECT l.name, l.concurrency, l.rate, l.per, l.burst, l.sliding, l.when_full, l.running, l.waiting, l.declared,
       l.changed_at
FROM pgqueue.limits AS l
WHERE l.name = CAST(%(name)s AS text)
