-- What is looked at again and again by people, so nothing here grows with the tables: counts end at a bound and
-- follow an index.

-- The queues as queue_stats has them, each figure counted up to most; `more` names those that ended there.
-- Running jobs stand at the heads of the lines, where they are looked for; dead ones share their table with the
-- cancelled, so that of many the newest are looked at.
CREATE FUNCTION pgqueue.count_queues(most integer DEFAULT 10000, queues text[] DEFAULT NULL)
RETURNS TABLE (
    queue text, queued bigint, running bigint, scheduled bigint, retrying bigint, blocked bigint, dead bigint,
    more text[], oldest_queued_at timestamptz, workers bigint, paused_at timestamptz, paused_by text,
    pause_reason text, paused_until timestamptz, keep_succeeded interval, keep_dead interval, ageing interval
)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH later AS MATERIALIZED (
        SELECT next.queue, count(*) FILTER (WHERE next.attempt = 0) AS scheduled,
               count(*) FILTER (WHERE next.attempt > 0) AS retrying
        FROM (SELECT j.queue::text AS queue, j.attempt FROM pgqueue.job j
              WHERE j.ready_xid IS NULL AND j.blocked IS NULL ORDER BY j.run_at LIMIT count_queues.most) AS next
        GROUP BY next.queue
    )
    SELECT lane.name, ready.jobs, least(line.running, count_queues.most)::bigint, coalesce(later.scheduled, 0),
           coalesce(later.retrying, 0), gated.jobs, least(dead.jobs, count_queues.most),
           array_remove(ARRAY[
               CASE WHEN ready.jobs >= count_queues.most THEN 'queued' END,
               CASE WHEN line.running >= count_queues.most THEN 'running' END,
               CASE WHEN coming.cut THEN 'scheduled' END,
               CASE WHEN coming.cut THEN 'retrying' END,
               CASE WHEN gated.jobs >= count_queues.most THEN 'blocked' END,
               CASE WHEN dead.cut OR dead.jobs >= count_queues.most THEN 'dead' END], NULL),
           line.oldest,
           (SELECT count(*) FROM pgqueue.worker w
            WHERE lane.name = ANY (w.queues) AND w.seen_at + w.lease_for >= now() AND w.draining_at IS NULL),
           paused.paused_at, paused.paused_by, paused.pause_reason, paused.paused_until,
           CASE WHEN settings.name IS NULL THEN interval '7 days' ELSE settings.keep_succeeded END,
           coalesce(settings.keep_dead, interval '30 days'), settings.ageing
    FROM (SELECT name FROM pgqueue.some_queues(count_queues.most) AS name UNION SELECT later.queue FROM later) AS lane
    CROSS JOIN (SELECT coalesce(sum(l.scheduled + l.retrying) >= count_queues.most, false) AS cut FROM later l) AS coming
    LEFT JOIN later ON later.queue = lane.name
    LEFT JOIN pgqueue.queue settings ON settings.name = lane.name
    LEFT JOIN pgqueue.queue paused
        ON paused.name = lane.name AND paused.paused_at IS NOT NULL AND coalesce(paused.paused_until > now(), true)
    CROSS JOIN LATERAL pgqueue.look_at_line(lane.name, count_queues.most) AS line
    CROSS JOIN LATERAL (
        SELECT count(*) AS jobs FROM (
            SELECT FROM pgqueue.job j
            WHERE j.queue = lane.name AND j.ready_xid IS NOT NULL AND j.lease IS NULL
            ORDER BY j.priority DESC, j.ready_xid DESC, j.id DESC LIMIT count_queues.most) AS found) AS ready
    CROSS JOIN LATERAL (
        SELECT count(*) AS jobs FROM (
            SELECT FROM pgqueue.job j
            WHERE j.queue = lane.name AND j.ready_xid IS NULL AND j.blocked AND j.lease IS NULL
            ORDER BY j.priority, j.id LIMIT count_queues.most) AS found) AS gated
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE found.state = 'dead') AS jobs, count(*) >= 10 * count_queues.most AS cut FROM (
            SELECT d.state FROM pgqueue.job_dead d
            WHERE d.queue = lane.name ORDER BY d.finished_at DESC LIMIT 10 * count_queues.most) AS found) AS dead
    WHERE count_queues.queues IS NULL OR lane.name = ANY (count_queues.queues);
END
$$;

-- Waiting jobs whose task no running worker of their queue knows. Workers pass them over, so they gather at the
-- heads of the lines: the most first jobs of each priority are looked at, and as many at the gate.
CREATE FUNCTION pgqueue.unknown_tasks(most integer DEFAULT 10000)
RETURNS TABLE (queue text, task text, jobs bigint)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH served AS MATERIALIZED (
        SELECT lane.name, array_remove(array_agg(DISTINCT known.task), NULL) AS tasks
        FROM pgqueue.workers w CROSS JOIN unnest(w.queues) AS lane(name) LEFT JOIN unnest(w.tasks) AS known(task) ON true
        WHERE w.state = 'running'
        GROUP BY lane.name
    )
    SELECT s.name, waiting.task, count(*)
    FROM served s, LATERAL (
        SELECT head.task FROM generate_series(-10, 10) AS line(priority), LATERAL (
            SELECT j.task::text AS task FROM pgqueue.job j
            WHERE j.queue = s.name AND j.priority = line.priority AND j.ready_xid IS NOT NULL AND j.lease IS NULL
            ORDER BY j.ready_xid, j.id LIMIT unknown_tasks.most) AS head
        UNION ALL
        (SELECT j.task::text FROM pgqueue.job j
         WHERE j.queue = s.name AND j.ready_xid IS NULL AND j.blocked AND j.lease IS NULL
         ORDER BY j.priority, j.id LIMIT unknown_tasks.most)) AS waiting
    WHERE waiting.task <> ALL (s.tasks)
    GROUP BY s.name, waiting.task ORDER BY s.name, waiting.task;
END
$$;
