COMMENT ON VIEW pgqueue.limits IS
    'What jobs are limited to, and how it stands. Change it with set_limit() and remove_limit().';
COMMENT ON COLUMN pgqueue.limits.name IS
    'A bucket such as ''stripe'', ''tenant:42'', ''queue:email'' or ''task:charge''; or the part before the '
    'colon, which holds for each of its buckets by itself.';
COMMENT ON COLUMN pgqueue.limits.concurrency IS 'Most jobs that run at once. NULL: any number.';
COMMENT ON COLUMN pgqueue.limits.rate IS 'Most weight that starts in the time per. NULL: any.';
COMMENT ON COLUMN pgqueue.limits.per IS 'The time that the rate is for. NULL: no rate.';
COMMENT ON COLUMN pgqueue.limits.burst IS 'What may start at once after a quiet time. NULL: as much as the rate.';
COMMENT ON COLUMN pgqueue.limits.sliding IS
    'Whether the rate holds for every window of the length per, instead of a bucket of tokens.';
COMMENT ON COLUMN pgqueue.limits.when_full IS
    'What happens to a job that finds the concurrency taken: wait, cancel_newest, cancel_running.';
COMMENT ON COLUMN pgqueue.limits.running IS 'Jobs, and holders outside of jobs, that have a place now, in all of its buckets.';
COMMENT ON COLUMN pgqueue.limits.waiting IS 'Jobs that wait for it now, in all of its buckets.';
COMMENT ON COLUMN pgqueue.limits.declared IS 'Whether an application declared it, and not an operator.';
COMMENT ON COLUMN pgqueue.limits.changed_at IS 'When it was last changed.';
COMMENT ON FUNCTION pgqueue.nudge IS
    'Have those looked at who wait for this limit or pause, once the caller''s transaction commits.';
COMMENT ON FUNCTION pgqueue.set_limit IS
    'Set a limit, or change all of it: at most concurrency jobs at once, at most rate starts in the time per, or '
    'both. name is a bucket, ''stripe'', ''tenant:42'', ''queue:email'', ''task:charge'', or the part before the colon '
    'for each of its buckets. sliding: the rate holds for every window of that length; otherwise unused starts '
    'are saved up to burst (as many as rate unless given). when_full: wait; cancel_newest or cancel_running, which '
    'need a concurrency. Holds '
    'for starts from the commit of the caller''s transaction on.';
COMMENT ON FUNCTION pgqueue.remove_limit IS
    'Remove a limit; whoever waits for it may run once the caller''s transaction commits. Returns whether it was there.';
COMMENT ON FUNCTION pgqueue.set_weight IS
    'How many jobs a tenant (a fair_key) of a queue gets for each job of one with the weight 1. From 1 to 1000. '
    'Holds from the commit of the caller''s transaction on.';
COMMENT ON FUNCTION pgqueue.acquire IS
    'Take a place under a limit outside of jobs, for lease_for unless stay() is called. Returns a token, or NULL with '
    'the seconds after which to ask again (NULL: when somebody leaves), and what the rule says when the concurrency '
    'is taken. Call it in a transaction of its own: the gate is locked until the '
    'caller''s transaction ends.';
COMMENT ON FUNCTION pgqueue.stay IS
    'Keep a place that was acquired for another lease_for, in the caller''s transaction. False: it was lost.';
COMMENT ON FUNCTION pgqueue.leave IS
    'Give a place back that was acquired, in the caller''s transaction. False: it was lost before.';
COMMENT ON FUNCTION pgqueue.count_running IS
    'Give places to the jobs that run already under the limit of a queue or a task, in the caller''s transaction.';
