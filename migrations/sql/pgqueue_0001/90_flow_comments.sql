COMMENT ON COLUMN pgqueue.job.flow IS
    'Flow options: its turn, share, limits, lifetime, unique key. NULL: a plain job.';
COMMENT ON COLUMN pgqueue.job.blocked IS
    'True while the job waits at the gate for something other than time, and when it got through it; '
    'pgqueue.why() tells what it waits for. NULL: it is in line, or waits for its time.';
COMMENT ON COLUMN pgqueue.job_dead.flow IS 'The job''s flow options, for a retry. NULL: a plain job.';
COMMENT ON COLUMN pgqueue.jobs.flow IS
    'Flow options: its turn, share, limits, lifetime, unique key. NULL: a plain job, or one that '
    'succeeded.';
COMMENT ON COLUMN pgqueue.queue_stats.blocked IS
    'Jobs that wait at the gate for something other than time; pgqueue.why() tells what for.';

COMMENT ON TABLE pgqueue.gate IS
    'Live jobs that go through the gate, because they have flow options, or because their queue, task or '
    'tag is limited or paused. Follows from job.';
COMMENT ON COLUMN pgqueue.gate.job_id IS 'The job (job.id).';
COMMENT ON COLUMN pgqueue.gate.queue IS 'The job''s queue.';
COMMENT ON COLUMN pgqueue.gate.task IS 'The job''s task.';
COMMENT ON COLUMN pgqueue.gate.tags IS 'The job''s tags. NULL: none.';
COMMENT ON COLUMN pgqueue.gate.priority IS 'The job''s priority.';
COMMENT ON COLUMN pgqueue.gate.state IS
    'open: may be picked; closed: waits for its blocker; held: runs; away: waits for its time, but keeps '
    'its turn; ended: over, to be settled by the next look.';
COMMENT ON COLUMN pgqueue.gate.blocker IS
    'What a closed job waits for: a bucket, ''order'', or a pause as in ''pause task:send''. NULL: it is not '
    'closed.';
COMMENT ON COLUMN pgqueue.gate.lease IS
    'The claim under which the job runs; it counts only while job.lease is the same. NULL: none.';
COMMENT ON COLUMN pgqueue.gate.fair_key IS 'The tenant whose job it is; empty: none.';
COMMENT ON COLUMN pgqueue.gate.order_key IS
    'Jobs of a queue with the same key run one at a time, in the order of their ids. NULL: none.';
COMMENT ON COLUMN pgqueue.gate.skips_failing IS
    'Whether the next of the key goes ahead while this one waits for its retry.';
COMMENT ON COLUMN pgqueue.gate.buckets IS 'The limits that the job is under, each with its key.';
COMMENT ON COLUMN pgqueue.gate.weights IS 'What the job takes of the rate of each bucket, in the order of buckets.';
COMMENT ON COLUMN pgqueue.gate.expires_at IS
    'A job that was not started by then is cancelled. NULL: never.';

COMMENT ON TABLE pgqueue.limit_rule IS
    'What was declared about limits. Change it with set_limit() and remove_limit(), look at it through the '
    'view limits.';
COMMENT ON COLUMN pgqueue.limit_rule.name IS
    'A bucket such as ''stripe'', ''tenant:42'', ''queue:email'' or ''task:charge''; or the part before the '
    'colon, for each of its buckets by itself.';
COMMENT ON COLUMN pgqueue.limit_rule.concurrency IS 'Most jobs that run at once. NULL: any number.';
COMMENT ON COLUMN pgqueue.limit_rule.rate IS 'Most weight that starts in the time per. NULL: any.';
COMMENT ON COLUMN pgqueue.limit_rule.per IS 'The time that the rate is for. NULL: no rate.';
COMMENT ON COLUMN pgqueue.limit_rule.burst IS
    'What may start at once after a quiet time. NULL: as much as the rate.';
COMMENT ON COLUMN pgqueue.limit_rule.sliding IS
    'Whether the rate holds for every window of the length per, instead of a bucket of tokens that is '
    'refilled.';
COMMENT ON COLUMN pgqueue.limit_rule.when_full IS
    'What happens to a job that finds the concurrency taken: wait, cancel_newest (it is cancelled), '
    'cancel_running (the oldest running one is asked to stop).';
COMMENT ON COLUMN pgqueue.limit_rule.declared IS 'Whether an application declared it, and not an operator.';
COMMENT ON COLUMN pgqueue.limit_rule.changed_at IS 'When it was last changed.';

COMMENT ON TABLE pgqueue.slot IS
    'Who holds a place under a limit. A job''s place counts only while its lease lives.';
COMMENT ON COLUMN pgqueue.slot.bucket IS 'The limit, with its key if it has one.';
COMMENT ON COLUMN pgqueue.slot.lease IS 'The job''s lease, or the token of a holder outside of jobs.';
COMMENT ON COLUMN pgqueue.slot.job_id IS 'The job; 0: a holder outside of jobs.';
COMMENT ON COLUMN pgqueue.slot.taken_at IS 'Since when.';
COMMENT ON COLUMN pgqueue.slot.expires_at IS
    'When the place of a holder outside of jobs is free again unless it is renewed. NULL: a job''s place.';

COMMENT ON TABLE pgqueue.bucket IS 'What is known of the rates of limits between looks.';
COMMENT ON COLUMN pgqueue.bucket.name IS 'The limit, with its key if it has one.';
COMMENT ON COLUMN pgqueue.bucket.tokens IS 'The tokens of its rate at counted_at. NULL: full.';
COMMENT ON COLUMN pgqueue.bucket.counted_at IS 'When the tokens were counted. NULL: never.';
COMMENT ON COLUMN pgqueue.bucket.kept_since IS
    'Since when; a rule that was changed later ends it. NULL: never.';
COMMENT ON COLUMN pgqueue.bucket.kept_until IS
    'Until when nobody gets tokens, because a heavy job waits for them. NULL: nobody does.';
COMMENT ON COLUMN pgqueue.bucket.last_queue IS
    'The queue at which the last look at who waits ended. NULL: it looked at all.';
COMMENT ON COLUMN pgqueue.bucket.last_key IS
    'The tenant at which the last look at who waits ended. NULL: it looked at all.';

COMMENT ON TABLE pgqueue.look IS 'When to look at who waits for a bucket or a pause.';
COMMENT ON COLUMN pgqueue.look.blocker IS 'A bucket, or a pause as in ''pause task:send''.';
COMMENT ON COLUMN pgqueue.look.at IS 'Not before.';

COMMENT ON TABLE pgqueue.rated_start IS 'Starts under the sliding windows of rates.';
COMMENT ON COLUMN pgqueue.rated_start.bucket IS 'The limit, with its key if it has one.';
COMMENT ON COLUMN pgqueue.rated_start.at IS 'When the start was.';
COMMENT ON COLUMN pgqueue.rated_start.weight IS 'What it takes of the rate.';

COMMENT ON TABLE pgqueue.share IS
    'How far each tenant of a queue has been served. Weights are in fair_weight.';
COMMENT ON COLUMN pgqueue.share.queue IS 'The queue.';
COMMENT ON COLUMN pgqueue.share.fair_key IS 'The tenant; empty: jobs that have none.';
COMMENT ON COLUMN pgqueue.share.served IS 'The jobs it got, divided by its weight.';

COMMENT ON TABLE pgqueue.fair_line IS 'How far each queue with tenants is, which is where newcomers begin.';
COMMENT ON COLUMN pgqueue.fair_line.queue IS 'The queue.';
COMMENT ON COLUMN pgqueue.fair_line.served IS 'Compares with share.served.';

COMMENT ON TABLE pgqueue.fair_weight IS
    'Tenants that get more than others, or less. Change it with set_weight().';
COMMENT ON COLUMN pgqueue.fair_weight.queue IS 'The queue.';
COMMENT ON COLUMN pgqueue.fair_weight.fair_key IS 'The tenant; empty: jobs that have none.';
COMMENT ON COLUMN pgqueue.fair_weight.weight IS
    'Its jobs for each job of a tenant of weight 1, while both have some.';

COMMENT ON TABLE pgqueue.pause IS 'Tasks, tags and tenants that an operator paused; queues have it in their own row.';
COMMENT ON COLUMN pgqueue.pause.kind IS 'task, tag or tenant.';
COMMENT ON COLUMN pgqueue.pause.name IS 'The task, the tag, or the fair_key.';
COMMENT ON COLUMN pgqueue.pause.paused_at IS 'Since when.';
COMMENT ON COLUMN pgqueue.pause.paused_by IS 'By whom.';
COMMENT ON COLUMN pgqueue.pause.reason IS 'Why. NULL: no reason was given.';
COMMENT ON COLUMN pgqueue.pause.until IS 'When it ends by itself. NULL: when it is resumed.';

COMMENT ON TABLE pgqueue.detour IS
    'Which plain jobs claimers send to the gate. Follows from limit_rule and pause.';
COMMENT ON COLUMN pgqueue.detour.name IS '''queue:'', ''task:'' or ''tag:'' with a name; or ''all''.';

COMMENT ON FUNCTION pgqueue.is_gated IS
    'Whether a job with this flow goes through the gate: true or NULL. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.line_up IS
    'Brings blocked jobs to the gate. Runs in the caller''s transaction. For the functions of this schema.';
COMMENT ON FUNCTION pgqueue.check_flow IS
    'The stored form of flow options of a job that is due then, or an error that says what is wrong. Runs in the '
    'caller''s transaction.';
COMMENT ON FUNCTION pgqueue.check_time IS
    'The instant that a time in flow options means, or an error. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.check_limits IS
    'Limits as an object of buckets and weights, or an error. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.enqueue_with IS
    'Enqueue a job with flow options in the caller''s transaction. Returns its id and whether it is a new '
    'one: with a unique key it may be the one that is there already.';
COMMENT ON FUNCTION pgqueue.enqueue_many_with IS
    'The same for each job of an array as enqueue_many() takes it, in the caller''s transaction, in order.';
COMMENT ON FUNCTION pgqueue.new_lease IS
    'A lease token for a claim. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.sift IS
    'Sends those of the next jobs in line to the gate that have to go there, in the caller''s transaction; the ids of the others. For claim().';
COMMENT ON FUNCTION pgqueue.rule_of IS
    'The rule for a bucket, its own or that of its limit; all NULL: none. Runs in the caller''s transaction.';
COMMENT ON TYPE pgqueue.room IS
    'Places and tokens that a bucket had left when it was counted, and the tokens taken since.';
COMMENT ON FUNCTION pgqueue.room_of IS
    'Places and tokens that a bucket has left; NULL: any number. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.refilled_at IS
    'When a bucket will have so many tokens. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.enter IS
    'Take a place under each of these limits, or none: then the full one is told. take_tokens() has to follow. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.look_at IS
    'Have somebody look at the jobs that wait for a bucket, from this time on. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.settle IS
    'Free what ended jobs had at the gate. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.open_next IS
    'Let the next job of an order_key be picked. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.open_closed IS
    'Open up to so many jobs of each queue that wait for a blocker; how many it were. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.reopen IS
    'Look at the blockers whose time has come. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.expire IS
    'Cancel jobs at the gate whose time to start is over; how many it were. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.candidates IS
    'Who is next at the gate of a queue, in order. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.held_back IS
    'What keeps a job at the gate from running now, apart from limits; NULL: nothing. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.admit IS
    'Let a job in under its limits, or say which is full. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.turn_away IS
    'Does what a full limit''s rule says about a newcomer; whether it was cancelled. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.pick IS
    'Pick jobs at the gate for a claim. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.serve IS
    'Remember how far tenants are served. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.claim_gated IS
    'Claim jobs that go through the gate, in the caller''s transaction, which holds the lock of the gate until it ends. For workers.';
COMMENT ON FUNCTION pgqueue.mend_gate IS
    'Put right what a hand in the tables made wrong at the gate; how many rows it were. Runs in the caller''s transaction and reads the gate as a whole.';
COMMENT ON FUNCTION pgqueue.ring_for IS
    'Wakes whoever sleeps for one of these jobs, an array as enqueue_many() takes it, when the caller''s transaction commits.';
COMMENT ON FUNCTION pgqueue.plan_detours IS
    'Which plain jobs have to go to the gate, by the limits and pauses of this moment. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.take_tokens IS
    'Take the tokens that enter() gave away. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.look_soon IS
    'Have somebody look at the jobs that wait for a bucket, if there are any. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.room_for IS
    'How many jobs that wait for a limit or a pause may be opened. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.keep_tokens IS
    'Let nobody have tokens until a time. Runs in the caller''s transaction, under the lock of the gate.';
COMMENT ON FUNCTION pgqueue.own_limits IS
    'The buckets of its queue and its task that a job is counted in. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.closed_by IS
    'Which blockers of a name, or buckets of a limit, have closed jobs, and in which queues. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.lock_gate IS
    'Wait for our turn at the gate, until the caller''s transaction ends; an error above read committed.';
COMMENT ON FUNCTION pgqueue.prune_gate IS
    'Remove what the gate would make anew as it is; how many rows it were. Runs in the caller''s transaction.';
