COMMENT ON FUNCTION pgqueue.reschedule IS
    'Move a waiting job to an instant to come, when the caller''s transaction commits. Returns whether it was: false for '
    'a job that runs, is over or is not there. retry() has it run now.';
COMMENT ON FUNCTION pgqueue.set_priority IS
    'Give a waiting job another priority, when the caller''s transaction commits. Returns whether it was: false for a '
    'job that runs, is over or is not there.';
COMMENT ON FUNCTION pgqueue.delete_job IS
    'Remove a job that is over, and its failed attempts, when the caller''s transaction commits. Returns whether there '
    'was one: false for a live or unknown job.';

COMMENT ON TABLE pgqueue.operation IS
    'What was ordered for more jobs than one transaction should change. Read the view operations instead.';
COMMENT ON COLUMN pgqueue.operation.id IS 'Its number.';
COMMENT ON COLUMN pgqueue.operation.action IS 'What is done to each job: retry, run_now, cancel, delete, reschedule, set_priority.';
COMMENT ON COLUMN pgqueue.operation.filter IS 'The search that found the jobs, as it was typed.';
COMMENT ON COLUMN pgqueue.operation.parameters IS 'What the action needs besides jobs: run_at, priority.';
COMMENT ON COLUMN pgqueue.operation.actor IS 'Who ordered it.';
COMMENT ON COLUMN pgqueue.operation.reason IS 'Why. NULL: no reason was given.';
COMMENT ON COLUMN pgqueue.operation.jobs IS 'The jobs that it is about, in the order of the work; emptied when it is over.';
COMMENT ON COLUMN pgqueue.operation.states IS 'The states that jobs were found in: one in another state is left alone.';
COMMENT ON COLUMN pgqueue.operation.total IS 'How many jobs it is about.';
COMMENT ON COLUMN pgqueue.operation.place IS 'How many of them are dealt with.';
COMMENT ON COLUMN pgqueue.operation.done IS 'How many were changed.';
COMMENT ON COLUMN pgqueue.operation.failed IS 'How many could not be changed because of an error.';
COMMENT ON COLUMN pgqueue.operation.error IS 'The last error. NULL: none.';
COMMENT ON COLUMN pgqueue.operation.state IS 'running, done or stopped.';
COMMENT ON COLUMN pgqueue.operation.runner IS 'How often a process took it over; the last one may go on. 0: nobody yet.';
COMMENT ON COLUMN pgqueue.operation.created_at IS 'When it was ordered.';
COMMENT ON COLUMN pgqueue.operation.seen_at IS 'When a batch was last noted.';
COMMENT ON COLUMN pgqueue.operation.finished_at IS 'When it was done or stopped. NULL: it is not over.';

COMMENT ON VIEW pgqueue.operations IS
    'What was ordered for many jobs at once in the dashboard, and how far it is. What is over is kept for 90 days.';
COMMENT ON COLUMN pgqueue.operations.id IS 'Its number.';
COMMENT ON COLUMN pgqueue.operations.action IS 'What is done to each job: retry, run_now, cancel, delete, reschedule, set_priority.';
COMMENT ON COLUMN pgqueue.operations.filter IS 'The search that found the jobs, as it was typed.';
COMMENT ON COLUMN pgqueue.operations.parameters IS 'What the action needs besides jobs: run_at, priority.';
COMMENT ON COLUMN pgqueue.operations.actor IS 'Who ordered it.';
COMMENT ON COLUMN pgqueue.operations.reason IS 'Why. NULL: no reason was given.';
COMMENT ON COLUMN pgqueue.operations.total IS 'How many jobs it is about.';
COMMENT ON COLUMN pgqueue.operations.done IS 'How many were changed.';
COMMENT ON COLUMN pgqueue.operations.failed IS 'How many could not be changed because of an error.';
COMMENT ON COLUMN pgqueue.operations.skipped IS 'How many were left alone because their state had changed meanwhile.';
COMMENT ON COLUMN pgqueue.operations.state IS
    'running, done, stopped; or interrupted: nobody has worked on it for 15 seconds, and any dashboard may resume it.';
COMMENT ON COLUMN pgqueue.operations.error IS 'The last error. NULL: none.';
COMMENT ON COLUMN pgqueue.operations.created_at IS 'When it was ordered.';
COMMENT ON COLUMN pgqueue.operations.seen_at IS 'When a batch was last noted.';
COMMENT ON COLUMN pgqueue.operations.finished_at IS 'When it was done or stopped. NULL: it is not over.';

COMMENT ON FUNCTION pgqueue.order_operation IS
    'Order an action for these jobs, to begin when the caller''s transaction commits. Returns its number.';
COMMENT ON FUNCTION pgqueue.take_operation IS
    'Become its runner, where nobody is, or whoever was has not been seen for 15 seconds. Returns the number of the '
    'runner; NULL: no. Commit the caller''s transaction at once.';
COMMENT ON FUNCTION pgqueue.next_batch IS
    'The next jobs that this runner is to change, in the caller''s transaction, which locks the operation until then. '
    'No row: the operation is over, or somebody else''s.';
COMMENT ON FUNCTION pgqueue.note_batch IS
    'Note how a batch went, in the caller''s transaction that changed the jobs. Returns the state of the operation; NULL: '
    'it is somebody else''s.';
COMMENT ON FUNCTION pgqueue.stop_operation IS
    'Stop it after the batch that is under way, when the caller''s transaction commits. Returns whether it was running.';
