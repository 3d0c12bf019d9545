COMMENT ON VIEW pgqueue.jobs IS 'All jobs, live and ended, one row each.';
COMMENT ON COLUMN pgqueue.jobs.id IS
    'The job''s number, given when it is enqueued and kept for life, also through a retry from the '
    'dead. Gaps are normal.';
COMMENT ON COLUMN pgqueue.jobs.worker_id IS
    'The worker that runs it or ran it last (workers.id; its row may be gone). NULL: it is not '
    'running, or never was.';
COMMENT ON COLUMN pgqueue.jobs.run_at IS
    'The job does not run before this instant. For a retrying or snoozed job, the instant of the '
    'next attempt.';
COMMENT ON COLUMN pgqueue.jobs.enqueued_at IS 'When the transaction that enqueued the job began.';
COMMENT ON COLUMN pgqueue.jobs.started_at IS
    'When the latest attempt was claimed. NULL: none was yet.';
COMMENT ON COLUMN pgqueue.jobs.timeout IS
    'How long one attempt may take before it is cut off and counts as failed. NULL: not set for this '
    'job, or the job succeeded.';
COMMENT ON COLUMN pgqueue.jobs.priority IS
    'From -10 to 10; a higher one runs first. The order inside a priority is the order of becoming '
    'ready.';
COMMENT ON COLUMN pgqueue.jobs.attempt IS
    'The number of the current or latest attempt, from 1. 0: none was begun yet.';
COMMENT ON COLUMN pgqueue.jobs.max_attempts IS
    'A job whose attempt with this number fails is dead. From 1 to 1000.';
COMMENT ON COLUMN pgqueue.jobs.cancel_requested_at IS
    'When somebody asked to cancel the running job. NULL: nobody did.';
COMMENT ON COLUMN pgqueue.jobs.queue IS 'The name of the lane that the job stands in.';
COMMENT ON COLUMN pgqueue.jobs.task IS 'The name of the Python function that the job is for.';
COMMENT ON COLUMN pgqueue.jobs.args IS
    'The arguments of the task: a JSON object, by parameter name.';
COMMENT ON COLUMN pgqueue.jobs.tags IS
    'Words to find the job by; pgqueue gives them no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.jobs.meta IS
    'A JSON object that travels with the job; pgqueue gives it no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.jobs.progress IS
    'What the running task last reported of itself. NULL: nothing yet.';
COMMENT ON COLUMN pgqueue.jobs.state IS
    'queued: ready and waiting for a worker. running: a worker has it. scheduled: waits for run_at. '
    'retrying: waits for run_at after a failed attempt. succeeded, dead, cancelled: ended.';
COMMENT ON COLUMN pgqueue.jobs.finished_at IS 'When the job ended. NULL: it has not ended.';
COMMENT ON COLUMN pgqueue.jobs.result IS
    'What the task of a succeeded job returned. NULL: nothing, or not succeeded.';
COMMENT ON COLUMN pgqueue.jobs.reason IS
    'Why the job died, was cancelled or shall be cancelled. NULL: none of these, or no reason was '
    'given.';

COMMENT ON VIEW pgqueue.dead_jobs IS
    'Dead and cancelled jobs, waiting for a retry or for the end of keep_dead.';
COMMENT ON COLUMN pgqueue.dead_jobs.id IS
    'The job''s number, given when it is enqueued and kept for life, also through a retry from the '
    'dead. Gaps are normal.';
COMMENT ON COLUMN pgqueue.dead_jobs.enqueued_at IS
    'When the transaction that enqueued the job began.';
COMMENT ON COLUMN pgqueue.dead_jobs.attempt IS
    'The number of the last attempt. 0: it was cancelled before the first.';
COMMENT ON COLUMN pgqueue.dead_jobs.max_attempts IS
    'How many attempts it had, and will have again after a retry.';
COMMENT ON COLUMN pgqueue.dead_jobs.queue IS 'The name of the lane that the job stands in.';
COMMENT ON COLUMN pgqueue.dead_jobs.task IS 'The name of the Python function that the job is for.';
COMMENT ON COLUMN pgqueue.dead_jobs.args IS
    'The arguments of the task: a JSON object, by parameter name.';
COMMENT ON COLUMN pgqueue.dead_jobs.tags IS
    'Words to find the job by; pgqueue gives them no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.dead_jobs.meta IS
    'A JSON object that travels with the job; pgqueue gives it no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.dead_jobs.state IS
    'dead: out of attempts, or failed for good. cancelled: somebody or its own task called it off.';
COMMENT ON COLUMN pgqueue.dead_jobs.reason IS
    'Why: the last error, or the reason given for cancelling. NULL: none was given.';
COMMENT ON COLUMN pgqueue.dead_jobs.finished_at IS 'When the job died or was cancelled.';

COMMENT ON VIEW pgqueue.failures IS 'Every failed attempt that is still kept.';
COMMENT ON COLUMN pgqueue.failures.id IS 'The failure''s number.';
COMMENT ON COLUMN pgqueue.failures.job_id IS
    'The job that failed (jobs.id). The job itself may have succeeded since, or be gone.';
COMMENT ON COLUMN pgqueue.failures.attempt IS 'Which attempt failed, from 1.';
COMMENT ON COLUMN pgqueue.failures.worker_id IS
    'The worker that ran the attempt (worker.id; its row may be gone).';
COMMENT ON COLUMN pgqueue.failures.queue IS 'The queue of the job.';
COMMENT ON COLUMN pgqueue.failures.task IS 'The task of the job.';
COMMENT ON COLUMN pgqueue.failures.started_at IS 'When the attempt was claimed.';
COMMENT ON COLUMN pgqueue.failures.failed_at IS 'When the failure was recorded.';
COMMENT ON COLUMN pgqueue.failures.error_type IS
    'The class of the error, or WorkerLost when the worker stopped sending heartbeats.';
COMMENT ON COLUMN pgqueue.failures.message IS 'The text of the error.';
COMMENT ON COLUMN pgqueue.failures.traceback IS
    'The Python traceback. NULL: there is none, as for a lost worker.';
COMMENT ON COLUMN pgqueue.failures.fingerprint IS
    'The same for failures that are probably one and the same error; error_groups counts by it.';
COMMENT ON COLUMN pgqueue.failures.place IS
    'Where it was raised: "jobs.py:31 in charge". NULL: nowhere in Python, as for a lost worker.';

COMMENT ON VIEW pgqueue.error_groups IS 'Failures counted by what they have in common.';
COMMENT ON COLUMN pgqueue.error_groups.fingerprint IS
    'What the failures of this group have in common.';
COMMENT ON COLUMN pgqueue.error_groups.task IS 'The task that failed.';
COMMENT ON COLUMN pgqueue.error_groups.error_type IS 'The class of the error, or WorkerLost.';
COMMENT ON COLUMN pgqueue.error_groups.place IS
    'Where it was raised: "jobs.py:31 in charge". NULL: nowhere in Python, as for a lost worker.';
COMMENT ON COLUMN pgqueue.error_groups.example IS 'The text of one of the errors.';
COMMENT ON COLUMN pgqueue.error_groups.failures IS 'How many attempts failed like this.';
COMMENT ON COLUMN pgqueue.error_groups.jobs IS 'How many different jobs failed like this.';
COMMENT ON COLUMN pgqueue.error_groups.first_seen IS
    'The first of these failures that is still kept.';
COMMENT ON COLUMN pgqueue.error_groups.last_seen IS 'The latest of these failures.';

COMMENT ON VIEW pgqueue.workers IS 'The worker processes, and whether they are well.';
COMMENT ON COLUMN pgqueue.workers.id IS
    'The worker''s number; every start of a process gets a new one.';
COMMENT ON COLUMN pgqueue.workers.name IS 'What the worker calls itself. Not unique.';
COMMENT ON COLUMN pgqueue.workers.host IS 'The machine that it runs on.';
COMMENT ON COLUMN pgqueue.workers.pid IS 'Its process id on that machine.';
COMMENT ON COLUMN pgqueue.workers.version IS 'The version of pgqueue that it runs.';
COMMENT ON COLUMN pgqueue.workers.queues IS 'The queues that it serves.';
COMMENT ON COLUMN pgqueue.workers.tasks IS 'The tasks that it knows.';
COMMENT ON COLUMN pgqueue.workers.concurrency IS 'How many jobs it runs at once at most.';
COMMENT ON COLUMN pgqueue.workers.running IS 'How many jobs it was running at its last heartbeat.';
COMMENT ON COLUMN pgqueue.workers.started_at IS 'When it registered.';
COMMENT ON COLUMN pgqueue.workers.seen_at IS
    'Its last heartbeat. All its leases end at seen_at + lease_for.';
COMMENT ON COLUMN pgqueue.workers.draining_at IS
    'Since when it claims no more jobs and only finishes what it has. NULL: it takes jobs.';
COMMENT ON COLUMN pgqueue.workers.state IS
    'running: all is well. quiet: it was asked to take no more jobs. draining: it is shutting down. '
    'lost: its heartbeat stopped, and anybody may rescue its jobs.';
COMMENT ON COLUMN pgqueue.workers.lease_expires_at IS
    'When its jobs may be rescued unless it sends another heartbeat.';
COMMENT ON COLUMN pgqueue.workers.wish IS
    'What somebody asked of it: quiet or stop. Its next heartbeat reads it. NULL: nothing.';
COMMENT ON COLUMN pgqueue.workers.wished_at IS 'When it was asked.';
COMMENT ON COLUMN pgqueue.workers.wished_by IS 'By whom.';

COMMENT ON VIEW pgqueue.queue_stats IS
    'How much of what is in each queue, counted at the moment of asking.';
COMMENT ON COLUMN pgqueue.queue_stats.queue IS 'The name of the queue.';
COMMENT ON COLUMN pgqueue.queue_stats.queued IS 'Jobs that are ready and wait for a worker.';
COMMENT ON COLUMN pgqueue.queue_stats.running IS 'Jobs that a worker has.';
COMMENT ON COLUMN pgqueue.queue_stats.scheduled IS
    'Jobs that wait for their first run_at, or were snoozed before any attempt had failed.';
COMMENT ON COLUMN pgqueue.queue_stats.retrying IS
    'Jobs that wait for run_at after a failed attempt.';
COMMENT ON COLUMN pgqueue.queue_stats.dead IS
    'Dead jobs that are still kept; cancelled ones are not counted.';
COMMENT ON COLUMN pgqueue.queue_stats.oldest_queued_at IS
    'Since when the job waits that has waited longest. NULL: no job waits.';
COMMENT ON COLUMN pgqueue.queue_stats.workers IS 'Workers that take jobs of this queue: not lost, not quiet, not draining.';
COMMENT ON COLUMN pgqueue.queue_stats.paused_at IS
    'Since when no job of this queue is handed out. NULL: the queue is not paused.';
COMMENT ON COLUMN pgqueue.queue_stats.paused_by IS 'Who paused it. NULL: the queue is not paused.';
COMMENT ON COLUMN pgqueue.queue_stats.pause_reason IS
    'Why it is paused. NULL: not paused, or no reason was given.';
COMMENT ON COLUMN pgqueue.queue_stats.keep_succeeded IS
    'How long succeeded jobs are kept, in whole days of job_done. NULL: they are deleted at once, '
    'results included.';
COMMENT ON COLUMN pgqueue.queue_stats.keep_dead IS 'How long dead and cancelled jobs are kept.';
