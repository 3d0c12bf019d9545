-- A job of a schedule now; no row when there is no such schedule.
SELECT run.job_id, run.created, s.task, s.queue
FROM pgqueue.run_schedule(CAST(%(name)s AS text)) AS run
JOIN pgqueue.schedules s ON s.name = CAST(%(name)s AS text)
