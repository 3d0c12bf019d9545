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
    'heartbeat; schedules are those that its application declares, by name, with the queues of their jobs. Returns the worker''s id. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.ask_worker IS
    'Ask a worker for ''quiet'' (take no more jobs, and give back those that did not start), ''resume'' or ''stop'' '
    '(finish what runs, and end). It hears of it with its next heartbeat. false: there is no such live worker, '
    'or it is to stop. Runs in the caller''s transaction.';
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
    'unknown job, and where another job has its unique key. Works in the caller''s transaction: it takes effect when that commits, and not at '
    'all if it rolls back.';
COMMENT ON FUNCTION pgqueue.pause_queue IS
    'Stop handing out the jobs of a queue until resume_queue, or until that instant; running ones go '
    'on. Pausing a paused queue changes reason, name and instant. paused_by is the session''s user '
    'unless given. Returns nothing. Works in the caller''s transaction: it takes effect when that commits, and not at all if it '
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
    'of jobs that are gone, succeeded jobs that fell into the default partition, unique keys '
    'that do not count any longer, and statistics, samples and records of acts that are past their time. '
    'Returns how many rows went. Works in the caller''s transaction.';
