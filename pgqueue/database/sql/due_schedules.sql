SELECT name, task, cron, every, at, timezone, missed, most_missed, since, next_at, created_at, changed_at, now
FROM pgqueue.due_schedules(CAST(%(tasks)s AS text[]))
