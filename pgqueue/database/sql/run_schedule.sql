-- A job of a schedule now; NULL when there is no such schedule.
SELECT run.id, s.task, s.queue
FROM (SELECT pgqueue.run_schedule(CAST(%(name)s AS text)) AS id) AS run
LEFT JOIN pgqueue.schedules s ON s.name = CAST(%(name)s AS text)
