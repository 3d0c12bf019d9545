COMMENT ON VIEW pgqueue.pauses IS 'Whatever is paused now: queues, tasks, tags, tenants.';
COMMENT ON COLUMN pgqueue.pauses.kind IS 'queue, task, tag or tenant.';
COMMENT ON COLUMN pgqueue.pauses.name IS 'The name of the queue, the task or the tag, or the tenant''s fair_key.';
COMMENT ON COLUMN pgqueue.pauses.paused_at IS 'Since when.';
COMMENT ON COLUMN pgqueue.pauses.paused_by IS 'By whom.';
COMMENT ON COLUMN pgqueue.pauses.reason IS 'Why. NULL: no reason was given.';
COMMENT ON COLUMN pgqueue.pauses.until IS 'When it ends by itself. NULL: when it is resumed.';

COMMENT ON FUNCTION pgqueue.pause IS
    'Let no job of a ''task'', with a ''tag'' or of a ''tenant'' (a fair_key) begin, from the commit of the '
    'caller''s transaction until resume() or the instant until; running ones go on. Pausing again changes '
    'everything but since when.';
COMMENT ON FUNCTION pgqueue.resume IS
    'End such a pause when the caller''s transaction commits. Returns whether it was paused.';
COMMENT ON FUNCTION pgqueue.check_pause IS
    'An error for what pause() and resume() do not take. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.end_pauses IS
    'Remove pauses whose time is over; how many it were. Runs in the caller''s transaction.';

COMMENT ON FUNCTION pgqueue.why IS
    'Why a job does not run, or what became of it, in sentences: what must go away first, then the rest. '
    'Only reads, as the caller''s transaction sees it.';
COMMENT ON FUNCTION pgqueue.reasons IS
    'The same one by one, with a code and details for programs, what must go away first before the rest. '
    'Only reads, as the caller''s transaction sees it.';
COMMENT ON FUNCTION pgqueue.why_absent IS
    'What became of a job that is not alive. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_running IS
    'Who runs a job. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_later IS
    'Whether a job waits for its time. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_paused IS
    'Pauses that hold a job back. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_unserved IS
    'Whether no live worker would take a job. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_locked IS
    'Whose open transaction has locked a job. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_at_gate IS
    'What a job waits for at the gate, besides pauses. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_ordered IS
    'Who of its order_key is before a job. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_limited IS
    'Whether a limit has no room, and when it will. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_shared IS
    'Whose turn comes before that of a job at the gate. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_in_line IS
    'How many are before a job in line. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.why_turn IS
    'The sentence for a job that waits for its turn. Runs in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.ahead_at_gate IS
    'How many of its tenant are before a job at the gate, up to 1001. Reads in the caller''s transaction. For reasons().';
COMMENT ON FUNCTION pgqueue.closest IS
    'Which of these names differs from this one by a few letters only; NULL: none. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.say IS
    'An instant in a sentence. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.instant IS
    'An instant in details. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.say_jobs IS
    'A number of jobs in a sentence. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.say_list IS
    'The first names of a list in a sentence. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.quote IS
    'What somebody wrote, short enough for a sentence. Runs in the caller''s transaction.';
