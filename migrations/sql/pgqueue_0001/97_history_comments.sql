-- Comments on what happened: statistics, samples, the audit, declarations of tasks, errors.

COMMENT ON TABLE pgqueue.statistic IS
    'How attempts ended in each minute and each hour, by queue and task, as workers counted them.';
COMMENT ON COLUMN pgqueue.statistic.span IS
    '1 minute or 1 hour: how long the row''s time is. Every attempt is counted once in each.';
COMMENT ON COLUMN pgqueue.statistic.at IS
    'When that time begins, by the clock of the database when the worker wrote.';
COMMENT ON COLUMN pgqueue.statistic.queue IS
    'The queue of the jobs.';
COMMENT ON COLUMN pgqueue.statistic.task IS
    'The task of the jobs.';
COMMENT ON COLUMN pgqueue.statistic.succeeded IS
    'Attempts that succeeded.';
COMMENT ON COLUMN pgqueue.statistic.retried IS
    'Attempts that failed and whose job is tried again, those of lost workers included.';
COMMENT ON COLUMN pgqueue.statistic.dead IS
    'Attempts after which the job was dead, those of lost workers included.';
COMMENT ON COLUMN pgqueue.statistic.cancelled IS
    'Attempts that ended because the job was cancelled.';
COMMENT ON COLUMN pgqueue.statistic.snoozed IS
    'Attempts that put their job back for later.';
COMMENT ON COLUMN pgqueue.statistic.wait_seconds IS
    'How long the jobs waited from when they were due to the claim, together.';
COMMENT ON COLUMN pgqueue.statistic.run_seconds IS
    'How long the attempts took, together.';
COMMENT ON COLUMN pgqueue.statistic.waits IS
    'A histogram of the times waited: how many in each bucket of histogram_bounds, and in the one '
    'behind them.';
COMMENT ON COLUMN pgqueue.statistic.runs IS
    'A histogram of the times that attempts took: how many in each bucket of histogram_bounds, and '
    'in the one behind them.';

COMMENT ON TABLE pgqueue.queue_sample IS
    'How deep each queue was, once a minute.';
COMMENT ON COLUMN pgqueue.queue_sample.at IS
    'The minute.';
COMMENT ON COLUMN pgqueue.queue_sample.queue IS
    'The queue.';
COMMENT ON COLUMN pgqueue.queue_sample.queued IS
    'Jobs that waited for a worker or at the gate; 10000 stands for that many or more.';
COMMENT ON COLUMN pgqueue.queue_sample.running IS
    'Jobs that ran; 10000 stands for that many or more.';
COMMENT ON COLUMN pgqueue.queue_sample.oldest_seconds IS
    'For how long the first in line had waited. 0: none did.';

COMMENT ON FUNCTION pgqueue.histogram_bounds IS
    'The upper ends of the buckets of a histogram in seconds, each twice the one before, from 1 ms '
    'to 2 hours 20 minutes. A histogram has one bucket more, for all that is longer. Reads nothing; '
    'works in any caller''s transaction.';
COMMENT ON FUNCTION pgqueue.add_histograms IS
    'Two histograms as one. Reads nothing; works in any caller''s transaction.';
COMMENT ON FUNCTION pgqueue.percentiles IS
    'Below how many seconds such parts of all values lie, as in percentiles(array_agg(runs), '
    '''{0.5,0.95}''). What it returns lies in the right bucket, so it is wrong by a factor of 2 at '
    'most; values below 1 ms lie anywhere below it, and values beyond the last bound are told as '
    'that. NULLs where nothing was counted. Reads nothing; works in any caller''s transaction.';
COMMENT ON FUNCTION pgqueue.count_attempts IS
    'Add what a worker counted to the minute and the hour that it is: an array of objects with the '
    'columns of statistic, one for each queue and task. Returns how many rows were written. Works in '
    'the caller''s transaction: it takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.look_at_line IS
    'How many jobs of a queue run, and since when the first in line waits, as far as the most first '
    'jobs of each priority tell. For sample. Reads in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.queue_names IS
    'The names of all queues that have a row, or jobs in line or at the gate. For sample. Reads in the '
    'caller''s transaction.';
COMMENT ON FUNCTION pgqueue.sample IS
    'Note how deep the queues are, unless somebody did in this minute. Returns how many queues were '
    'looked at. Workers call it; anybody may, at any time. Works in the caller''s transaction: it '
    'takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.history IS
    'What happened from since until then: a row for each step, zeros where nothing ended, and NULL '
    'where there is nothing to take a percentile of. Times are in seconds, right to a factor of 2. '
    'Steps of an hour and more reach back 31 days, shorter ones 25 hours. NULL for queue or task '
    'means all of them. Raises invalid_parameter_value for steps below a minute and for more than '
    '10000 of them. Reads in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.depths IS
    'How deep a queue was from since until then, or all queues together: the most in each step. A '
    'step in which no worker looked has no row. Raises invalid_parameter_value as history does. '
    'Reads in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.check_steps IS
    'Raise invalid_parameter_value for what history and depths do not draw. For them only. Reads in '
    'the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.statistics_since IS
    'The rows of statistic since then, each attempt counted once: hours, and minutes before the '
    'first whole one. Longer than a day ago its hour counts as a whole. For task_statistics and '
    'queue_statistics. Reads in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.task_statistics IS
    'How attempts ended since then by queue and task, and how long they took and waited, in seconds, '
    'right to a factor of 2. Reads in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.queue_statistics IS
    'How attempts ended since then by queue, and how long they took and waited, in seconds, right to '
    'a factor of 2. Reads in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.prune_statistics IS
    'Remove up to max_rows statistics that are past their time (minutes 25 hours, hours 31 days), '
    'and up to max_rows samples older than 8 days. For prune. Returns how many rows went. Works in '
    'the caller''s transaction.';

COMMENT ON TABLE pgqueue.audit IS
    'What somebody did by hand, one row for each act. Rows are added and, after 90 days, removed.';
COMMENT ON COLUMN pgqueue.audit.id IS
    'The record''s number.';
COMMENT ON COLUMN pgqueue.audit.at IS
    'When it was done: the start of its transaction.';
COMMENT ON COLUMN pgqueue.audit.actor IS
    'Who did it, as the program knows them.';
COMMENT ON COLUMN pgqueue.audit.via IS
    'What they used: dashboard, cli, python or sql.';
COMMENT ON COLUMN pgqueue.audit.action IS
    'What was done: mostly the name of the function that did it.';
COMMENT ON COLUMN pgqueue.audit.target IS
    'What it was done to, and how.';
COMMENT ON COLUMN pgqueue.audit.jobs IS
    'How many jobs it changed. NULL: it was not about jobs.';
COMMENT ON COLUMN pgqueue.audit.reason IS
    'The reason given. NULL: none.';

COMMENT ON VIEW pgqueue.audit_log IS
    'What somebody did by hand: from the command line, from the dashboard, or by whoever calls '
    'record_action.';
COMMENT ON COLUMN pgqueue.audit_log.id IS
    'The record''s number.';
COMMENT ON COLUMN pgqueue.audit_log.at IS
    'When it was done: the start of its transaction.';
COMMENT ON COLUMN pgqueue.audit_log.actor IS
    'Who did it, as the program knows them.';
COMMENT ON COLUMN pgqueue.audit_log.via IS
    'What they used: dashboard, cli, python or sql.';
COMMENT ON COLUMN pgqueue.audit_log.action IS
    'What was done: mostly the name of the function that did it.';
COMMENT ON COLUMN pgqueue.audit_log.target IS
    'What it was done to, and how.';
COMMENT ON COLUMN pgqueue.audit_log.jobs IS
    'How many jobs it changed. NULL: it was not about jobs.';
COMMENT ON COLUMN pgqueue.audit_log.reason IS
    'The reason given. NULL: none.';

COMMENT ON FUNCTION pgqueue.record_action IS
    'Record what somebody does. Call it in the transaction that does it: no act without its record, '
    'and no record of what was rolled back. A NULL actor is the session user. Returns the number of '
    'the record. Works in the caller''s transaction: it takes effect when that commits, and not at '
    'all if it rolls back.';
COMMENT ON FUNCTION pgqueue.prune_audit IS
    'Remove up to max_rows records that are older than 90 days. For prune. Returns how many went. '
    'Works in the caller''s transaction.';

COMMENT ON TABLE pgqueue.task_declaration IS
    'What workers know of their tasks, as the last one that started had it.';
COMMENT ON COLUMN pgqueue.task_declaration.task IS
    'The name of the task.';
COMMENT ON COLUMN pgqueue.task_declaration.aliases IS
    'Names that it had before, which jobs may still carry.';
COMMENT ON COLUMN pgqueue.task_declaration.queue IS
    'The queue of its jobs, unless they say otherwise.';
COMMENT ON COLUMN pgqueue.task_declaration.signature IS
    'How it is called.';
COMMENT ON COLUMN pgqueue.task_declaration.doc IS
    'What its docstring says. NULL: nothing.';
COMMENT ON COLUMN pgqueue.task_declaration.schema IS
    'The JSON Schema of the arguments object. NULL: it has none that can be written.';
COMMENT ON COLUMN pgqueue.task_declaration.redact IS
    'Paths of arguments that are not shown, those for all tasks of the application included.';
COMMENT ON COLUMN pgqueue.task_declaration.max_attempts IS
    'How many attempts its jobs have.';
COMMENT ON COLUMN pgqueue.task_declaration.priority IS
    'The priority of its jobs.';
COMMENT ON COLUMN pgqueue.task_declaration.timeout IS
    'How long an attempt may take. NULL: as long as it likes.';
COMMENT ON COLUMN pgqueue.task_declaration.cron IS
    'The cron expression that it is declared with. NULL: none.';
COMMENT ON COLUMN pgqueue.task_declaration.version IS
    'The release of pgqueue that declared it.';
COMMENT ON COLUMN pgqueue.task_declaration.declared_at IS
    'When it was first declared.';
COMMENT ON COLUMN pgqueue.task_declaration.changed_at IS
    'When its declaration was last another one.';

COMMENT ON VIEW pgqueue.tasks IS
    'The tasks that workers have declared, whether one of them lives or not.';
COMMENT ON COLUMN pgqueue.tasks.name IS
    'The name of the task.';
COMMENT ON COLUMN pgqueue.tasks.workers IS
    'How many live workers know it.';
COMMENT ON COLUMN pgqueue.tasks.aliases IS
    'Names that it had before, which jobs may still carry.';
COMMENT ON COLUMN pgqueue.tasks.queue IS
    'The queue of its jobs, unless they say otherwise.';
COMMENT ON COLUMN pgqueue.tasks.signature IS
    'How it is called.';
COMMENT ON COLUMN pgqueue.tasks.doc IS
    'What its docstring says. NULL: nothing.';
COMMENT ON COLUMN pgqueue.tasks.schema IS
    'The JSON Schema of the arguments object. NULL: it has none that can be written.';
COMMENT ON COLUMN pgqueue.tasks.redact IS
    'Paths of arguments that are not shown, those for all tasks of the application included.';
COMMENT ON COLUMN pgqueue.tasks.max_attempts IS
    'How many attempts its jobs have.';
COMMENT ON COLUMN pgqueue.tasks.priority IS
    'The priority of its jobs.';
COMMENT ON COLUMN pgqueue.tasks.timeout IS
    'How long an attempt may take. NULL: as long as it likes.';
COMMENT ON COLUMN pgqueue.tasks.cron IS
    'The cron expression that it is declared with. NULL: none.';
COMMENT ON COLUMN pgqueue.tasks.version IS
    'The release of pgqueue that declared it.';
COMMENT ON COLUMN pgqueue.tasks.declared_at IS
    'When it was first declared.';
COMMENT ON COLUMN pgqueue.tasks.changed_at IS
    'When its declaration was last another one.';

COMMENT ON FUNCTION pgqueue.declare_tasks IS
    'Note what a worker knows of its tasks: an array of objects with the columns of '
    'task_declaration. What is noted so already is not written. Returns how many were. Works in the '
    'caller''s transaction: it takes effect when that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.redactions IS
    'Paths of arguments that are not shown, of the task that has this name or had it before. None '
    'where no worker has declared it. Reads in the caller''s transaction.';

COMMENT ON FUNCTION pgqueue.errors_since IS
    'Failed attempts since then, counted by what they have in common, the latest first. is_new: it '
    'was not seen before. trend: how many in each twelfth of the time since. Reads by index, so it '
    'costs as much as there are failures since then. Reads in the caller''s transaction.';
