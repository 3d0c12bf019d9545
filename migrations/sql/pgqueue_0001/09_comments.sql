-- What psql's \d+ and \df+ and every database tool show of this schema.
COMMENT ON SCHEMA pgqueue IS 'A transactional job queue: a job exists if and only if your transaction commits.';

COMMENT ON TABLE pgqueue.job IS
    'Live jobs and nothing else: queued, running, scheduled, retrying. Look at them through the view '
    'jobs.';
COMMENT ON COLUMN pgqueue.job.id IS
    'The job''s number, given when it is enqueued and kept for life, also through a retry from the '
    'dead. Gaps are normal.';
COMMENT ON COLUMN pgqueue.job.ready_xid IS
    'The transaction that made the job ready, which is its place in line within its priority. NULL: '
    'not ready yet, it waits for run_at.';
COMMENT ON COLUMN pgqueue.job.lease IS
    'The token of the current claim. Only who presents it may end the attempt. NULL: the job is not '
    'running.';
COMMENT ON COLUMN pgqueue.job.worker_id IS
    'The worker that holds the lease (worker.id). NULL: the job is not running.';
COMMENT ON COLUMN pgqueue.job.run_at IS
    'The job does not run before this instant. For a retrying or snoozed job, the instant of the '
    'next attempt.';
COMMENT ON COLUMN pgqueue.job.enqueued_at IS 'When the transaction that enqueued the job began.';
COMMENT ON COLUMN pgqueue.job.started_at IS
    'When the latest attempt was claimed. NULL: none was yet.';
COMMENT ON COLUMN pgqueue.job.timeout IS
    'How long one attempt may take before it is cut off and counts as failed. NULL: as the task '
    'says, or for ever.';
COMMENT ON COLUMN pgqueue.job.priority IS
    'From -10 to 10; a higher one runs first. The order inside a priority is the order of becoming '
    'ready.';
COMMENT ON COLUMN pgqueue.job.attempt IS
    'The number of the current or latest attempt, from 1. 0: none was begun yet.';
COMMENT ON COLUMN pgqueue.job.max_attempts IS
    'A job whose attempt with this number fails is dead. From 1 to 1000.';
COMMENT ON COLUMN pgqueue.job.awaited IS
    'Somebody waits for the end of this job: it is announced on pgqueue_finished, and a success is '
    'kept in any case.';
COMMENT ON COLUMN pgqueue.job.cancel_requested_at IS
    'When somebody asked to cancel the running job. NULL: nobody did.';
COMMENT ON COLUMN pgqueue.job.cancel_reason IS
    'The reason given with the request to cancel. NULL: none was given.';
COMMENT ON COLUMN pgqueue.job.queue IS 'The name of the lane that the job stands in.';
COMMENT ON COLUMN pgqueue.job.task IS 'The name of the Python function that the job is for.';
COMMENT ON COLUMN pgqueue.job.args IS
    'The arguments of the task: a JSON object, by parameter name.';
COMMENT ON COLUMN pgqueue.job.tags IS
    'Words to find the job by; pgqueue gives them no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.job.meta IS
    'A JSON object that travels with the job; pgqueue gives it no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.job.progress IS
    'What the running task last reported of itself. NULL: nothing yet.';

COMMENT ON TABLE pgqueue.job_done IS
    'Succeeded jobs that their queue keeps, one partition for each day (UTC).';
COMMENT ON COLUMN pgqueue.job_done.id IS
    'The job''s number, given when it is enqueued and kept for life, also through a retry from the '
    'dead. Gaps are normal.';
COMMENT ON COLUMN pgqueue.job_done.lease IS 'The token of the claim that completed the job.';
COMMENT ON COLUMN pgqueue.job_done.worker_id IS
    'The worker that completed the job (worker.id; its row may be gone).';
COMMENT ON COLUMN pgqueue.job_done.run_at IS 'The job was not to run before this instant.';
COMMENT ON COLUMN pgqueue.job_done.enqueued_at IS
    'When the transaction that enqueued the job began.';
COMMENT ON COLUMN pgqueue.job_done.started_at IS 'When the attempt that succeeded was claimed.';
COMMENT ON COLUMN pgqueue.job_done.priority IS
    'From -10 to 10; a higher one runs first. The order inside a priority is the order of becoming '
    'ready.';
COMMENT ON COLUMN pgqueue.job_done.attempt IS 'The number of the attempt that succeeded, from 1.';
COMMENT ON COLUMN pgqueue.job_done.max_attempts IS 'How many attempts the job would have had.';
COMMENT ON COLUMN pgqueue.job_done.queue IS 'The name of the lane that the job stands in.';
COMMENT ON COLUMN pgqueue.job_done.task IS 'The name of the Python function that the job is for.';
COMMENT ON COLUMN pgqueue.job_done.args IS
    'The arguments of the task: a JSON object, by parameter name.';
COMMENT ON COLUMN pgqueue.job_done.tags IS
    'Words to find the job by; pgqueue gives them no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.job_done.meta IS
    'A JSON object that travels with the job; pgqueue gives it no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.job_done.progress IS
    'What the task last reported of itself. NULL: nothing.';
COMMENT ON COLUMN pgqueue.job_done.finished_at IS
    'When the job was completed. The day (UTC) of this instant chooses the partition.';
COMMENT ON COLUMN pgqueue.job_done.result IS
    'What the task returned. NULL: nothing, or nothing that is kept.';

COMMENT ON TABLE pgqueue.job_dead IS
    'Dead and cancelled jobs, with everything that a retry needs.';
COMMENT ON COLUMN pgqueue.job_dead.id IS
    'The job''s number, given when it is enqueued and kept for life, also through a retry from the '
    'dead. Gaps are normal.';
COMMENT ON COLUMN pgqueue.job_dead.lease IS
    'The token of the last claim, if the job ended while it ran. NULL: it was not running.';
COMMENT ON COLUMN pgqueue.job_dead.worker_id IS
    'The worker that ran the last attempt, if the job ended while it ran. NULL: it was not running.';
COMMENT ON COLUMN pgqueue.job_dead.run_at IS
    'The instant before which its last or next attempt was not to run.';
COMMENT ON COLUMN pgqueue.job_dead.enqueued_at IS
    'When the transaction that enqueued the job began.';
COMMENT ON COLUMN pgqueue.job_dead.started_at IS
    'When the latest attempt was claimed. NULL: none was yet.';
COMMENT ON COLUMN pgqueue.job_dead.timeout IS
    'How long one attempt may take before it is cut off and counts as failed. NULL: as the task '
    'says, or for ever.';
COMMENT ON COLUMN pgqueue.job_dead.priority IS
    'From -10 to 10; a higher one runs first. The order inside a priority is the order of becoming '
    'ready.';
COMMENT ON COLUMN pgqueue.job_dead.attempt IS
    'The number of the last attempt. 0: it was cancelled before the first.';
COMMENT ON COLUMN pgqueue.job_dead.max_attempts IS
    'How many attempts it had, and will have again after a retry.';
COMMENT ON COLUMN pgqueue.job_dead.queue IS 'The name of the lane that the job stands in.';
COMMENT ON COLUMN pgqueue.job_dead.task IS 'The name of the Python function that the job is for.';
COMMENT ON COLUMN pgqueue.job_dead.args IS
    'The arguments of the task: a JSON object, by parameter name.';
COMMENT ON COLUMN pgqueue.job_dead.tags IS
    'Words to find the job by; pgqueue gives them no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.job_dead.meta IS
    'A JSON object that travels with the job; pgqueue gives it no meaning. NULL: none.';
COMMENT ON COLUMN pgqueue.job_dead.progress IS
    'What the task last reported of itself. NULL: nothing.';
COMMENT ON COLUMN pgqueue.job_dead.state IS
    'dead: out of attempts, or failed for good. cancelled: somebody or its own task called it off.';
COMMENT ON COLUMN pgqueue.job_dead.reason IS
    'Why: the last error, or the reason given for cancelling. NULL: none was given.';
COMMENT ON COLUMN pgqueue.job_dead.finished_at IS 'When the job died or was cancelled.';

COMMENT ON TABLE pgqueue.failure IS
    'One row for each failed attempt. A job that succeeds at first leaves none.';
COMMENT ON COLUMN pgqueue.failure.id IS 'The failure''s number.';
COMMENT ON COLUMN pgqueue.failure.job_id IS
    'The job that failed (jobs.id). The job itself may have succeeded since, or be gone.';
COMMENT ON COLUMN pgqueue.failure.attempt IS 'Which attempt failed, from 1.';
COMMENT ON COLUMN pgqueue.failure.worker_id IS
    'The worker that ran the attempt (worker.id; its row may be gone).';
COMMENT ON COLUMN pgqueue.failure.queue IS 'The queue of the job.';
COMMENT ON COLUMN pgqueue.failure.task IS 'The task of the job.';
COMMENT ON COLUMN pgqueue.failure.started_at IS 'When the attempt was claimed.';
COMMENT ON COLUMN pgqueue.failure.failed_at IS 'When the failure was recorded.';
COMMENT ON COLUMN pgqueue.failure.error_type IS
    'The class of the error, or WorkerLost when the worker stopped sending heartbeats.';
COMMENT ON COLUMN pgqueue.failure.message IS 'The text of the error.';
COMMENT ON COLUMN pgqueue.failure.traceback IS
    'The Python traceback. NULL: there is none, as for a lost worker.';
COMMENT ON COLUMN pgqueue.failure.fingerprint IS
    'The same for failures that are probably one and the same error; error_groups counts by it.';
COMMENT ON COLUMN pgqueue.failure.place IS
    'Where it was raised: "jobs.py:31 in charge". NULL: nowhere in Python, as for a lost worker.';

COMMENT ON TABLE pgqueue.queue IS
    'What an operator decided about a queue. A queue without a row has the defaults of these '
    'columns.';
COMMENT ON COLUMN pgqueue.queue.name IS 'The name of the queue.';
COMMENT ON COLUMN pgqueue.queue.paused_at IS
    'Since when no job of this queue is handed out. NULL: the queue is not paused.';
COMMENT ON COLUMN pgqueue.queue.paused_by IS 'Who paused it. NULL: the queue is not paused.';
COMMENT ON COLUMN pgqueue.queue.pause_reason IS
    'Why it is paused. NULL: not paused, or no reason was given.';
COMMENT ON COLUMN pgqueue.queue.keep_succeeded IS
    'How long succeeded jobs are kept, in whole days of job_done. NULL: they are deleted at once, '
    'results included.';
COMMENT ON COLUMN pgqueue.queue.keep_dead IS 'How long dead and cancelled jobs are kept.';
COMMENT ON COLUMN pgqueue.queue.epoch IS
    'Raised whenever a job comes back with an old place in line, so that claimers look again from '
    'the beginning.';

COMMENT ON TABLE pgqueue.worker IS
    'One row for each start of a worker process, gone when it ends or is rescued.';
COMMENT ON COLUMN pgqueue.worker.id IS
    'The worker''s number; every start of a process gets a new one.';
COMMENT ON COLUMN pgqueue.worker.name IS 'What the worker calls itself. Not unique.';
COMMENT ON COLUMN pgqueue.worker.host IS 'The machine that it runs on.';
COMMENT ON COLUMN pgqueue.worker.pid IS 'Its process id on that machine.';
COMMENT ON COLUMN pgqueue.worker.version IS 'The version of pgqueue that it runs.';
COMMENT ON COLUMN pgqueue.worker.queues IS 'The queues that it serves.';
COMMENT ON COLUMN pgqueue.worker.tasks IS 'The tasks that it knows.';
COMMENT ON COLUMN pgqueue.worker.schedules IS
    'The schedules that its application declares, with the queues of their jobs.';
COMMENT ON COLUMN pgqueue.worker.concurrency IS 'How many jobs it runs at once at most.';
COMMENT ON COLUMN pgqueue.worker.lease_for IS 'How long its leases outlive its last heartbeat.';
COMMENT ON COLUMN pgqueue.worker.running IS 'How many jobs it was running at its last heartbeat.';
COMMENT ON COLUMN pgqueue.worker.started_at IS 'When it registered.';
COMMENT ON COLUMN pgqueue.worker.seen_at IS
    'Its last heartbeat. All its leases end at seen_at + lease_for.';
COMMENT ON COLUMN pgqueue.worker.draining_at IS
    'Since when it claims no more jobs and only finishes what it has. NULL: it takes jobs.';
COMMENT ON COLUMN pgqueue.worker.quiet IS
    'Whether it does so because it was asked to be quiet, and may resume. false: it is shutting down, if it drains.';

COMMENT ON TABLE pgqueue.wish IS 'What somebody wants of a worker; its next heartbeat reads it.';
COMMENT ON COLUMN pgqueue.wish.worker_id IS 'The worker that was asked.';
COMMENT ON COLUMN pgqueue.wish.wish IS
    'quiet: to take no more jobs. stop: to end when it has finished what it runs.';
COMMENT ON COLUMN pgqueue.wish.wished_at IS 'When it was asked.';
COMMENT ON COLUMN pgqueue.wish.wished_by IS 'By whom.';

COMMENT ON TABLE pgqueue.schema_version IS
    'Which revision of this schema is installed. Only migrations write it.';
COMMENT ON COLUMN pgqueue.schema_version.version_num IS
    'The id of the revision, such as pgqueue_0001.';
