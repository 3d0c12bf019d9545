COMMENT ON TABLE pgqueue.unique_key IS
    'Which job took a unique key last. It counts only while it holds; to free one by hand, delete its row.';
COMMENT ON COLUMN pgqueue.unique_key.task IS 'The task: keys of different tasks are different.';
COMMENT ON COLUMN pgqueue.unique_key.key IS 'The key.';
COMMENT ON COLUMN pgqueue.unique_key.job_id IS 'The job that took it; it may be over.';
COMMENT ON COLUMN pgqueue.unique_key.held_while IS
    'unfinished: it holds until the job ends; queued: until the job is claimed for the first time. NULL: by '
    'time only.';
COMMENT ON COLUMN pgqueue.unique_key.until IS
    'Until then it holds, whatever became of the job. NULL: by the job only.';
COMMENT ON COLUMN pgqueue.unique_key.first_at IS 'When the job took it.';

COMMENT ON FUNCTION pgqueue.key_holds IS
    'Whether a unique key still counts. Runs in the caller''s transaction. For the functions of this schema.';
COMMENT ON FUNCTION pgqueue.check_unique IS
    'The stored form of what an enqueuer says about uniqueness, or an error. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.take_key IS
    'Takes a unique key for a job, or tells which other job has it. Runs in the caller''s transaction, and '
    'waits for others that are about to take it. For the functions of this schema.';
COMMENT ON FUNCTION pgqueue.replace_job IS
    'Gives a job that was never claimed all that a new one would have had but its id. Runs in the caller''s '
    'transaction. For the functions of this schema.';
COMMENT ON FUNCTION pgqueue.retake_key IS
    'A dead or cancelled job takes its unique key again; false: another job has it. Runs in the caller''s '
    'transaction. For the functions of this schema.';
COMMENT ON FUNCTION pgqueue.prune_keys IS
    'Removes unique keys that do not count any longer, and returns how many. Runs in the caller''s transaction.';
