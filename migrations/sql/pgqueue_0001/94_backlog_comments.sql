COMMENT ON COLUMN pgqueue.queue.paused_until IS
    'When the pause ends by itself. NULL: the queue is not paused, or until somebody resumes it.';
COMMENT ON COLUMN pgqueue.queue.ageing IS
    'A job that has waited for so long has the highest priority, and on the way there at least its part '
    'of it. NULL: jobs keep the priority that they were given.';
COMMENT ON COLUMN pgqueue.queue_stats.paused_until IS
    'When the pause ends by itself. NULL: the queue is not paused, or until somebody resumes it.';
COMMENT ON COLUMN pgqueue.queue_stats.ageing IS
    'A job that has waited for so long has the highest priority. NULL: jobs keep the priority that they '
    'were given.';

COMMENT ON FUNCTION pgqueue.backlog IS
    'How many jobs of a queue wait for a worker, or at the gate, counted up to most (NULL: all). Jobs that '
    'run, or wait for their time, are not counted. Sees what the caller''s transaction sees: its own '
    'jobs, and what others have committed.';
COMMENT ON FUNCTION pgqueue.running IS
    'How many jobs of a queue a worker has, counted up to most (NULL: all). Sees what the caller''s '
    'transaction sees.';
COMMENT ON FUNCTION pgqueue.refuse_above IS
    'Raise PQ003 when at least depth jobs of a queue wait, as backlog counts them; call it before you '
    'enqueue. It is a signal to producers and not a bound: what others have not committed is not seen. '
    'Returns nothing. Works in the caller''s transaction, which the error aborts.';
COMMENT ON FUNCTION pgqueue.set_ageing IS
    'Let the jobs of a queue rise while they wait: who has waited for ageing has the highest priority, '
    'and on the way there at least the part of it that is due. NULL switches it off; jobs keep the '
    'priority that they have. Returns nothing. Works in the caller''s transaction: it takes effect when '
    'that commits, and not at all if it rolls back.';
COMMENT ON FUNCTION pgqueue.age IS
    'Raise the jobs of queues with ageing that have waited for long, up to max_jobs of each priority. '
    'Returns how many. Workers call it; anybody may, at any time. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.raise_aged IS
    'What age does with jobs that it found. For age only. Returns how many of them were still ready and '
    'free. Works in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.count_queues IS
    'The queues, or those named, as the view queue_stats has them, but each figure is counted up to most only; '
    'more names the figures that ended there. Of the jobs that wait for their time the first most of all '
    'queues are counted, and those that run are looked for among the first most of each priority. Sees '
    'what the caller''s transaction sees.';
COMMENT ON FUNCTION pgqueue.unknown_tasks IS
    'Jobs that wait in a queue that live workers serve and whose task none of those knows, by queue and task, '
    'among the first most of each priority and at the gate. For the doctor. Sees what the caller''s '
    'transaction sees.';
