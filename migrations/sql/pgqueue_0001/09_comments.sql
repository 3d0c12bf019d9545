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
COMMENT ON COLUMN pgqueue.worker.concurrency IS 'How many jobs it runs at once at most.';
COMMENT ON COLUMN pgqueue.worker.lease_for IS 'How long its leases outlive its last heartbeat.';
COMMENT ON COLUMN pgqueue.worker.running IS 'How many jobs it was running at its last heartbeat.';
COMMENT ON COLUMN pgqueue.worker.started_at IS 'When it registered.';
COMMENT ON COLUMN pgqueue.worker.seen_at IS
    'Its last heartbeat. All its leases end at seen_at + lease_for.';
COMMENT ON COLUMN pgqueue.worker.draining_at IS
    'Since when it claims no more jobs and only finishes what it has. NULL: it is not shutting down.';

COMMENT ON TABLE pgqueue.schema_version IS
    'Which revision of this schema is installed. Only migrations write it.';
COMMENT ON COLUMN pgqueue.schema_version.version_num IS
    'The id of the revision, such as pgqueue_0001.';

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

COMMENT ON VIEW pgqueue.error_groups IS 'Failures counted by what they have in common.';
COMMENT ON COLUMN pgqueue.error_groups.fingerprint IS
    'What the failures of this group have in common.';
COMMENT ON COLUMN pgqueue.error_groups.task IS 'The task that failed.';
COMMENT ON COLUMN pgqueue.error_groups.error_type IS 'The class of the error, or WorkerLost.';
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
    'Since when it claims no more jobs and only finishes what it has. NULL: it is not shutting down.';
COMMENT ON COLUMN pgqueue.workers.state IS
    'running: all is well. draining: it is shutting down. lost: its heartbeat stopped, and anybody '
    'may rescue its jobs.';
COMMENT ON COLUMN pgqueue.workers.lease_expires_at IS
    'When its jobs may be rescued unless it sends another heartbeat.';

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
COMMENT ON COLUMN pgqueue.queue_stats.workers IS 'Workers that serve this queue and are not lost.';
COMMENT ON COLUMN pgqueue.queue_stats.paused_at IS
    'Since when no job of this queue is handed out. NULL: the queue is not paused.';
COMMENT ON COLUMN pgqueue.queue_stats.paused_by IS 'Who paused it. NULL: the queue is not paused.';
COMMENT ON COLUMN pgqueue.queue_stats.pause_reason IS
    'Why it is paused. NULL: not paused, or no reason was given.';
COMMENT ON COLUMN pgqueue.queue_stats.keep_succeeded IS
    'How long succeeded jobs are kept, in whole days of job_done. NULL: they are deleted at once, '
    'results included.';
COMMENT ON COLUMN pgqueue.queue_stats.keep_dead IS 'How long dead and cancelled jobs are kept.';

COMMENT ON FUNCTION pgqueue.enqueue IS
    'Enqueue one job and return its id. A run_at that is NULL or past means now; timeout is for one '
    'attempt; max_args_bytes is the size that args may have as text, in bytes. Works in the caller''s '
    'transaction: it takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.enqueue_many IS
    'Enqueue many jobs from a JSON array of objects whose keys are the parameters of enqueue(), or '
    'delay, an interval from now, instead of run_at. Returns their ids in the order of the array. '
    'One bad job refuses all. Works in the caller''s transaction: it takes effect when that commits, '
    'and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.check_args IS
    'Refuse arguments with more than max_args_bytes bytes of text or more than 100 levels of '
    'nesting. Returns nothing, changes nothing. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.ring IS
    'Wake the workers that sleep on a queue, if any do, when the caller''s transaction commits. '
    'Returns nothing. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.claim IS
    'Hand out up to max_jobs jobs of a queue to a registered worker, for workers only. priorities '
    'says in which order to look, after_xid and after_id behind which place in each; jobs of the '
    'tasks in unknown are passed over. Returns the jobs with their lease, or one row without an id '
    'when there was none; its settled_xid is NULL when the queue is paused. Raises PQ001 for a '
    'worker that is not registered. Works in the caller''s transaction. Until the end of that '
    'transaction, synchronous_commit is off.';
COMMENT ON FUNCTION pgqueue.complete IS
    'End running jobs of one queue as succeeded. ids have to rise, leases[i] belongs to ids[i], '
    'results holds results by id. Returns how many were completed: a job whose lease was lost is '
    'left alone and not counted. Works in the caller''s transaction: it takes effect when that '
    'commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.bury IS
    'Move a job that has this lease (NULL: that is not running) to the dead or cancelled. For the '
    'functions of this schema only. Returns whether there was such a job. Works in the caller''s '
    'transaction.';
COMMENT ON FUNCTION pgqueue.fail IS
    'Record that a running attempt failed. The job is retried after delay, or is dead when delay is '
    'NULL, or is cancelled when that was asked for. Returns the new state (retrying, dead, '
    'cancelled), or NULL when the lease was lost and nothing was changed. Works in the caller''s '
    'transaction: it takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.snooze IS
    'Put a running job back until delay has passed, without costing it an attempt. Returns the new '
    'state (scheduled, or cancelled when that was asked for), or NULL when the lease was lost and '
    'nothing was changed. Works in the caller''s transaction: it takes effect when that commits, and '
    'not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.cancel_running IS
    'End a running job as cancelled, because its own task said so or obeyed a request. Returns '
    'cancelled, or NULL when the lease was lost and nothing was changed. Works in the caller''s '
    'transaction: it takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.look_again IS
    'Make claimers look at the queue from the beginning, because a job is back at an old place in line, '
    'and wake a sleeping worker. If the queue''s row is locked, claimers look again within seconds by '
    'themselves. Works in the caller''s transaction: it takes effect when that commits, and not at all '
    'if it rolls back.';
COMMENT ON FUNCTION pgqueue.release IS
    'Give back claimed jobs that were not run to an end, to their old place in line and without '
    'costing an attempt. ids have to rise, leases[i] belongs to ids[i]. Returns how many were given '
    'back; a job whose lease was lost is left alone. Works in the caller''s transaction: it takes '
    'effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.register IS
    'Announce a worker process, for workers only. lease_for is how long its leases outlive its last '
    'heartbeat. Returns the worker''s id. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.renew IS
    'Heartbeat of a worker: extend all its leases at once, and say how many jobs it runs. Returns '
    'false when it was rescued and has to register anew. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.held IS
    'Which of these claims still hold their lease, each with whether nobody has locked its row. Locks '
    'those that were free. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.check_leases IS
    'Which of a worker''s leases it should stop working for. Returns a row for each with the verdict: '
    'lost, or cancel and the reason given. Changes nothing. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.unregister IS
    'A worker process ends. Returns whether it was still registered. It releases what it holds '
    'first. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.promote IS
    'Make up to max_jobs jobs ready whose run_at has come, at the end of the line. Returns the '
    'seconds until the next one is due, negative when it already is, NULL when none waits. Works in '
    'the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.rescue IS
    'Take the jobs of workers whose heartbeat stopped, and put them back in their place in line; '
    'those without attempts left are dead, those asked to cancel are cancelled. A thorough call also '
    'looks for leases whose worker has no row any more. Returns a row for each job with its new '
    'state. Anybody may call it at any time. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.take_back IS
    'What rescue does with one job, whose row it has locked. For rescue only. Returns the new state. '
    'Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.cancel IS
    'Cancel a job. One that is not running never runs; a running one is asked to stop and is '
    'cancelled unless it succeeds first. Returns cancelled, cancelling (it is running), or NULL when '
    'there is no such live job. Works in the caller''s transaction: it takes effect when that '
    'commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.retry IS
    'Run a dead or cancelled job again, under the same id and with all its attempts; or a scheduled '
    'or retrying one now. Returns whether it will run: false for a queued, running, succeeded or '
    'unknown job. Works in the caller''s transaction: it takes effect when that commits, and not at '
    'all if it rolls back.';
COMMENT ON FUNCTION pgqueue.pause_queue IS
    'Stop handing out the jobs of a queue until resume_queue; running ones go on. Pausing a paused '
    'queue changes reason and name. paused_by is the session''s user unless given. Returns nothing. '
    'Works in the caller''s transaction: it takes effect when that commits, and not at all if it '
    'rolls back.';
COMMENT ON FUNCTION pgqueue.resume_queue IS
    'Hand out the jobs of a paused queue again. Returns whether it was paused. Works in the caller''s '
    'transaction: it takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.await_job IS
    'Ask to be told when a job ends: by a NOTIFY on pgqueue_finished with an empty payload, and a '
    'success is kept even where the queue keeps none. Returns false when there is nothing to wait '
    'for, because the job has ended or never was. Does not wait for a job whose row is locked: ask '
    'again. Works in the caller''s transaction: it takes effect '
    'when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.report_progress IS
    'Store what a running task reports of itself. Returns false when the lease was lost and nothing '
    'was changed. Works in the caller''s transaction: it takes effect when that commits, and not at '
    'all if it rolls back.';
COMMENT ON FUNCTION pgqueue.add_partition IS
    'Make the partition of job_done for one day (UTC), and move in what had to go to the default '
    'partition. Returns false when there was one. Runs with the rights of its owner. Works in the '
    'caller''s transaction. Gives up on a lock after 2 seconds.';
COMMENT ON FUNCTION pgqueue.drop_partitions IS
    'Drop the partitions of job_done that no queue keeps any longer. Returns how many. Runs with the '
    'rights of its owner. Works in the caller''s transaction. Gives up on a lock after 2 seconds.';
COMMENT ON FUNCTION pgqueue.prune IS
    'Remove up to max_rows dead and cancelled jobs that are past keep_dead, up to max_rows failures '
    'of jobs that are gone, and succeeded jobs that fell into the default partition. Returns how '
    'many rows went. Works in the caller''s transaction.';
