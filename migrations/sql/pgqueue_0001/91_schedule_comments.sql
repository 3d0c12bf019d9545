-- What database tools show of schedules.
COMMENT ON TABLE pgqueue.schedule IS
    'What makes jobs at set times. Look at them through the view schedules; change them by functions.';
COMMENT ON COLUMN pgqueue.schedule.name IS
    'What it is called. A schedule that the code declares has the name of its task.';
COMMENT ON COLUMN pgqueue.schedule.task IS 'The name of the Python function that its jobs are for.';
COMMENT ON COLUMN pgqueue.schedule.args IS 'The arguments of its jobs: a JSON object, by parameter name.';
COMMENT ON COLUMN pgqueue.schedule.queue IS 'The lane that its jobs stand in.';
COMMENT ON COLUMN pgqueue.schedule.priority IS
    'The priority of its jobs, from -10 to 10; a higher one runs first.';
COMMENT ON COLUMN pgqueue.schedule.max_attempts IS 'How many attempts its jobs have.';
COMMENT ON COLUMN pgqueue.schedule.timeout IS 'How long one attempt may take. NULL: as the task says.';
COMMENT ON COLUMN pgqueue.schedule.tags IS 'The tags of its jobs. NULL: none.';
COMMENT ON COLUMN pgqueue.schedule.meta IS
    'What travels with its jobs; the name of the schedule and the tick are added. NULL: nothing else.';
COMMENT ON COLUMN pgqueue.schedule.flow IS
    'The flow options of its jobs, as enqueue() takes them. NULL: none.';
COMMENT ON COLUMN pgqueue.schedule.cron IS
    'A cron expression of 5 fields, or of 6 with seconds first, or a word such as @daily. NULL: every '
    'or at is given.';
COMMENT ON COLUMN pgqueue.schedule.every IS
    'How much time passes between two ticks, counted from created_at. NULL: cron or at is given.';
COMMENT ON COLUMN pgqueue.schedule.at IS 'The only tick. NULL: cron or every is given.';
COMMENT ON COLUMN pgqueue.schedule.timezone IS 'The zone in which cron is read.';
COMMENT ON COLUMN pgqueue.schedule.jitter IS
    'Each job is delayed by up to this, always the same for one tick.';
COMMENT ON COLUMN pgqueue.schedule.missed IS
    'What happens to ticks that were missed: skip drops them, latest runs the last one, all runs all, '
    'the newest most_missed.';
COMMENT ON COLUMN pgqueue.schedule.most_missed IS 'How many missed ticks are run at most when missed is all.';
COMMENT ON COLUMN pgqueue.schedule.overlap IS
    'While an earlier job of it is not finished: allow makes another one, skip makes none, queue lets '
    'it wait for the earlier one.';
COMMENT ON COLUMN pgqueue.schedule.declared IS
    'Whether the code of an application declares it, rather than somebody having made it at run time.';
COMMENT ON COLUMN pgqueue.schedule.paused_at IS 'Since when it does not tick. NULL: it is not paused.';
COMMENT ON COLUMN pgqueue.schedule.paused_by IS 'Who paused it. NULL: it is not paused.';
COMMENT ON COLUMN pgqueue.schedule.pause_reason IS
    'Why it is paused. NULL: not paused, or no reason was given.';
COMMENT ON COLUMN pgqueue.schedule.since IS
    'Ticks up to this instant do not count: when its times were last changed, or when it was resumed.';
COMMENT ON COLUMN pgqueue.schedule.next_at IS
    'The next tick, or the one that is due. NULL: the first one has still to be worked out by a '
    'worker, or there will be none.';
COMMENT ON COLUMN pgqueue.schedule.last_tick IS 'The last tick that was dealt with. NULL: none was yet.';
COMMENT ON COLUMN pgqueue.schedule.ended_at IS 'When there were no more ticks to come. NULL: there are.';
COMMENT ON COLUMN pgqueue.schedule.jobs IS
    'The newest of its jobs, and those before it that may not be finished, 100 at most.';
COMMENT ON COLUMN pgqueue.schedule.error IS
    'Why it cannot be followed; put or resume it to have it tried again. NULL: it can.';
COMMENT ON COLUMN pgqueue.schedule.created_at IS 'When it was made.';
COMMENT ON COLUMN pgqueue.schedule.changed_at IS 'When it was last put, paused or resumed.';

COMMENT ON TABLE pgqueue.tick IS
    'What became of each tick of a schedule, kept for 7 days. Its primary key makes a tick happen once.';
COMMENT ON COLUMN pgqueue.tick.schedule IS 'The name of the schedule.';
COMMENT ON COLUMN pgqueue.tick.tick IS 'The instant at which a job was due.';
COMMENT ON COLUMN pgqueue.tick.job_id IS 'The job that was made. NULL: none was.';
COMMENT ON COLUMN pgqueue.tick.note IS 'Why no job was made. NULL: one was.';
COMMENT ON COLUMN pgqueue.tick.made_at IS 'When it was dealt with.';

COMMENT ON VIEW pgqueue.schedules IS 'What makes jobs at set times, and how it is.';
COMMENT ON COLUMN pgqueue.schedules.name IS
    'What it is called. A schedule that the code declares has the name of its task.';
COMMENT ON COLUMN pgqueue.schedules.task IS 'The name of the Python function that its jobs are for.';
COMMENT ON COLUMN pgqueue.schedules.state IS
    'active: it ticks. paused: somebody paused it. done: there will be no more ticks. broken: it '
    'cannot be followed, and error says why.';
COMMENT ON COLUMN pgqueue.schedules.cron IS
    'A cron expression of 5 fields, or of 6 with seconds first, or a word such as @daily. NULL: every '
    'or at is given.';
COMMENT ON COLUMN pgqueue.schedules.every IS
    'How much time passes between two ticks, counted from created_at. NULL: cron or at is given.';
COMMENT ON COLUMN pgqueue.schedules.at IS 'The only tick. NULL: cron or every is given.';
COMMENT ON COLUMN pgqueue.schedules.timezone IS 'The zone in which cron is read.';
COMMENT ON COLUMN pgqueue.schedules.next_tick IS
    'When it ticks next; in the past when no worker has come to it. NULL: never, or not worked out yet.';
COMMENT ON COLUMN pgqueue.schedules.last_tick IS 'The last tick that was dealt with. NULL: none was yet.';
COMMENT ON COLUMN pgqueue.schedules.last_job_id IS 'The last job that it made. NULL: none yet.';
COMMENT ON COLUMN pgqueue.schedules.last_job_state IS
    'What became of that job. NULL: none yet, or it is no longer kept.';
COMMENT ON COLUMN pgqueue.schedules.known IS
    'Whether a live worker knows the task. If none does, the schedule does not tick.';
COMMENT ON COLUMN pgqueue.schedules.args IS 'The arguments of its jobs: a JSON object, by parameter name.';
COMMENT ON COLUMN pgqueue.schedules.queue IS 'The lane that its jobs stand in.';
COMMENT ON COLUMN pgqueue.schedules.priority IS
    'The priority of its jobs, from -10 to 10; a higher one runs first.';
COMMENT ON COLUMN pgqueue.schedules.max_attempts IS 'How many attempts its jobs have.';
COMMENT ON COLUMN pgqueue.schedules.timeout IS 'How long one attempt may take. NULL: as the task says.';
COMMENT ON COLUMN pgqueue.schedules.tags IS 'The tags of its jobs. NULL: none.';
COMMENT ON COLUMN pgqueue.schedules.meta IS
    'What travels with its jobs; the name of the schedule and the tick are added. NULL: nothing else.';
COMMENT ON COLUMN pgqueue.schedules.flow IS
    'The flow options of its jobs, as enqueue() takes them. NULL: none.';
COMMENT ON COLUMN pgqueue.schedules.missed IS
    'What happens to ticks that were missed: skip drops them, latest runs the last one, all runs all, '
    'the newest most_missed.';
COMMENT ON COLUMN pgqueue.schedules.most_missed IS
    'How many missed ticks are run at most when missed is all.';
COMMENT ON COLUMN pgqueue.schedules.overlap IS
    'While an earlier job of it is not finished: allow makes another one, skip makes none, queue lets '
    'it wait for the earlier one.';
COMMENT ON COLUMN pgqueue.schedules.jitter IS
    'Each job is delayed by up to this, always the same for one tick.';
COMMENT ON COLUMN pgqueue.schedules.declared IS
    'Whether the code of an application declares it, rather than somebody having made it at run time.';
COMMENT ON COLUMN pgqueue.schedules.error IS
    'Why it cannot be followed; put or resume it to have it tried again. NULL: it can.';
COMMENT ON COLUMN pgqueue.schedules.paused_at IS 'Since when it does not tick. NULL: it is not paused.';
COMMENT ON COLUMN pgqueue.schedules.paused_by IS 'Who paused it. NULL: it is not paused.';
COMMENT ON COLUMN pgqueue.schedules.pause_reason IS
    'Why it is paused. NULL: not paused, or no reason was given.';
COMMENT ON COLUMN pgqueue.schedules.created_at IS 'When it was made.';
COMMENT ON COLUMN pgqueue.schedules.changed_at IS 'When it was last put, paused or resumed.';

COMMENT ON FUNCTION pgqueue.put_schedule IS
    'Make a schedule, or change the one of this name: jobs of a task at the times of cron (read in '
    'timezone), every or at, of which one is given. The next tick stays where it is unless the times '
    'are changed; a paused schedule stays paused. Whether cron and timezone make sense is found by the '
    'first worker that knows the task, and shown in the view schedules. declared is for workers. '
    'Returns whether anything was changed. Works in the caller''s transaction: it takes effect when '
    'that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.is_declared IS
    'Whether a live worker declares this schedule for the queue that it has. For the functions of this '
    'schema only. Changes nothing. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.schedule_owner IS
    'Whose a schedule is, in words, when put_schedule would refuse to make it one of this task in this '
    'queue; NULL when it would not. For the functions of this schema, and for clients who would rather not have their '
    'transaction aborted. Changes nothing. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.pause_schedule IS
    'Stop a schedule from ticking until resume_schedule; jobs that it has made go on. Pausing a paused '
    'schedule changes reason and name. paused_by is the session''s user unless given. Returns whether '
    'there is such a schedule. Works in the caller''s transaction: it takes effect when that commits, '
    'and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.resume_schedule IS
    'Let a paused schedule tick again, beginning with the next tick from now, or have a broken one '
    'tried again. Returns whether there was anything to resume. Works in the caller''s transaction: it '
    'takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.run_schedule IS
    'Enqueue the job of a schedule now, outside of its ticks, even while it is paused. Returns the '
    'job''s id and whether it was made, or is another one that has its unique key; no row when there is '
    'no such schedule. Until the transaction ends, nobody ticks the schedule. Works in the caller''s '
    'transaction: it takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.delete_schedule IS
    'Delete a schedule and what is known of its ticks; jobs that it has made stay. One that the code '
    'declares is made anew when a worker starts. Returns whether there was one. Works in the caller''s '
    'transaction: it takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.keep_declared IS
    'Delete the declared schedules of these tasks, which have these queues, whose names are not among '
    'these, for workers only. One for another queue stays while a live worker declares it. Returns how '
    'many. Works in the caller''s transaction: it takes effect when that commits, and not '
    'at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.enqueue_for IS
    'Enqueue the job of a schedule for a tick, or outside of them when that is NULL. For the functions '
    'of this schema only. Returns its id and whether it is new. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.live_jobs IS
    'Those of these jobs that are not finished, the newest 100 at most. For the functions of this '
    'schema only. Changes nothing. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.due_schedules IS
    'The schedules of these tasks that are due or whose first tick is not worked out, 1000 of each at '
    'most, and the next one that is not due, each with the time of the database. Changes nothing, '
    'locks nothing. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.tick IS
    'Deal with what is due of a schedule, for workers only: enqueue a job for each of the ticks, '
    'remember what became of them, and move on to next_at (NULL: there will be no more). expected and '
    'changed_at are as due_schedules told them; if the schedule is not like that any more, or is '
    'locked, or a tick lies ahead, nothing is done. dropped is the last of the ticks that are left '
    'out. Returns a row for each tick and one without a tick at the end, or nothing when nothing was '
    'done. Works in the caller''s transaction: it takes effect when that commits, and not at all if it '
    'rolls back.';
COMMENT ON FUNCTION pgqueue.break_schedule IS
    'Remember that a schedule cannot be followed, for workers only, unless it was changed since or is '
    'locked. Returns whether it was. Works in the caller''s transaction: it takes effect when that '
    'commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.prune_schedules IS
    'Remove up to max_rows ticks that are older than 7 days, but the last one of each schedule, and '
    'one-offs that ended 30 days ago, but those that the code declares. Returns how many rows went. '
    'Works in the caller''s transaction.';
