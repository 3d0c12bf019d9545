-- What monitoring asks again and again, so nothing here grows with the tables: every count ends at a bound and
-- follows an index, and so does the list of queues. There is no COUNT(*).

-- The first queues by name that have jobs or a row of their own. Each step is one look into an index.
CREATE FUNCTION pgqueue.some_queues(most integer) RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE
    ready AS (
        (SELECT j.queue::text AS name FROM pgqueue.job j WHERE j.ready_xid IS NOT NULL ORDER BY j.queue LIMIT 1)
        UNION ALL
        SELECT (SELECT j.queue::text FROM pgqueue.job j
                WHERE j.ready_xid IS NOT NULL AND j.queue > r.name ORDER BY j.queue LIMIT 1)
        FROM ready r WHERE r.name IS NOT NULL
    ),
    gated AS (
        (SELECT j.queue::text AS name FROM pgqueue.job j
         WHERE j.ready_xid IS NULL AND j.blocked ORDER BY j.queue LIMIT 1)
        UNION ALL
        SELECT (SELECT j.queue::text FROM pgqueue.job j
                WHERE j.ready_xid IS NULL AND j.blocked AND j.queue > g.name ORDER BY j.queue LIMIT 1)
        FROM gated g WHERE g.name IS NOT NULL
    ),
    ended AS (
        (SELECT d.queue AS name FROM pgqueue.job_dead d ORDER BY d.queue LIMIT 1)
        UNION ALL
        SELECT (SELECT d.queue FROM pgqueue.job_dead d WHERE d.queue > e.name ORDER BY d.queue LIMIT 1)
        FROM ended e WHERE e.name IS NOT NULL
    )
    SELECT found.name
    FROM ((SELECT name FROM ready LIMIT most) UNION (SELECT name FROM gated LIMIT most)
          UNION (SELECT name FROM ended LIMIT most)
          UNION (SELECT q.name::text FROM pgqueue.queue q ORDER BY q.name LIMIT most)) AS found
    WHERE found.name IS NOT NULL
    ORDER BY found.name LIMIT most;
END
$$;

-- One queue in figures. Running jobs stand at the heads of the lines, where they are looked for.
CREATE FUNCTION pgqueue.queue_metrics(queue text, most_jobs integer)
RETURNS TABLE (metric text, label text, state text, value double precision)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    lane    CONSTANT text := queue_metrics.queue;
    waiting integer;
    held    integer;
    oldest  timestamptz;
BEGIN
    label := lane;
    metric := 'jobs';
    SELECT count(*) INTO waiting FROM (
        SELECT FROM pgqueue.job j
        WHERE j.queue = lane AND j.ready_xid IS NOT NULL AND j.lease IS NULL
        ORDER BY j.priority DESC, j.ready_xid DESC, j.id DESC LIMIT most_jobs) AS line;
    SELECT count(*) FILTER (WHERE head.lease IS NOT NULL) INTO held
    FROM generate_series(-10, 10) AS priority, LATERAL (
        SELECT j.lease FROM pgqueue.job j
        WHERE j.queue = lane AND j.priority = priority.priority AND j.ready_xid IS NOT NULL
        ORDER BY j.ready_xid, j.id LIMIT greatest(1, most_jobs / 10)) AS head;
    state := 'queued'; value := waiting; RETURN NEXT;
    SELECT count(*) FILTER (WHERE gated.lease IS NULL), held + count(gated.lease) INTO waiting, held FROM (
        SELECT j.lease FROM pgqueue.job j
        WHERE j.queue = lane AND j.ready_xid IS NULL AND j.blocked
        ORDER BY j.priority, j.id LIMIT most_jobs) AS gated;
    state := 'running'; value := held; RETURN NEXT;
    state := 'blocked'; value := waiting; RETURN NEXT;
    SELECT count(*) FILTER (WHERE ended.state = 'dead') INTO waiting FROM (
        SELECT d.state FROM pgqueue.job_dead d
        WHERE d.queue = lane ORDER BY d.queue DESC, d.finished_at DESC LIMIT most_jobs) AS ended;
    state := 'dead'; value := waiting; RETURN NEXT;
    state := NULL;
    SELECT min(head.since) INTO oldest
    FROM generate_series(-10, 10) AS priority, LATERAL (
        SELECT greatest(j.run_at, j.enqueued_at) AS since FROM pgqueue.job j
        WHERE j.queue = lane AND j.priority = priority.priority AND j.ready_xid IS NOT NULL AND j.lease IS NULL
        ORDER BY j.ready_xid, j.id LIMIT 1) AS head;
    metric := 'queue_oldest_ready_age_seconds';
    value := coalesce(greatest(0, extract(epoch FROM now() - oldest)), 0); RETURN NEXT;
    metric := 'queue_paused';
    value := (SELECT count(*) FROM pgqueue.queue q WHERE q.name = lane AND q.paused_at IS NOT NULL
              AND coalesce(q.paused_until > now(), true)); RETURN NEXT;
    metric := 'queue_workers';
    value := (SELECT count(*) FROM pgqueue.worker w
              WHERE lane = ANY (w.queues) AND w.seen_at + w.lease_for >= now() AND w.draining_at IS NULL);
    RETURN NEXT;
    metric := 'queue_limit';
    value := coalesce((SELECT r.concurrency FROM pgqueue.limit_rule r WHERE r.name = 'queue:' || lane),
                      (SELECT r.concurrency FROM pgqueue.limit_rule r WHERE r.name = 'queue'));
    IF value IS NOT NULL THEN
        RETURN NEXT;
    END IF;
END
$$;

-- Schedules in figures: when the next tick is due, and when a job of one succeeded last.
CREATE FUNCTION pgqueue.schedule_metrics(most integer)
RETURNS TABLE (metric text, label text, state text, value double precision)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
    RETURN QUERY
    WITH known AS (
        SELECT s.name, CASE WHEN s.paused_at IS NULL AND s.error IS NULL AND s.ended_at IS NULL THEN s.next_at END AS due
        FROM pgqueue.schedule s ORDER BY s.name LIMIT most
    )
    SELECT 'cron_next_tick_timestamp_seconds', k.name, NULL::text, extract(epoch FROM k.due)::double precision
    FROM known k WHERE k.due IS NOT NULL
    UNION ALL
    SELECT 'cron_last_success_timestamp_seconds', k.name, NULL, extract(epoch FROM max(done.finished_at))::double precision
    FROM known k,
    LATERAL (SELECT t.job_id FROM pgqueue.tick t
             WHERE t.schedule = k.name AND t.job_id IS NOT NULL ORDER BY t.tick DESC LIMIT 10) AS made,
    LATERAL (SELECT d.finished_at FROM pgqueue.job_done d WHERE d.id = made.job_id LIMIT 1) AS done
    GROUP BY k.name;
END
$$;

-- All of it. What belongs to queues beyond the first most_queues by name has no label. Ten queues are counted
-- up to most_jobs each; more of them share that, so that the whole has a bound.
CREATE FUNCTION pgqueue.metrics(most_queues integer DEFAULT 100, most_jobs integer DEFAULT 10000)
RETURNS TABLE (metric text, label text, state text, value double precision)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
    lanes text[] := ARRAY(SELECT pgqueue.some_queues(most_queues));
    share integer := least(most_jobs, greatest(1, most_jobs * 10 / greatest(1, cardinality(lanes))));
    final text := CASE WHEN cardinality(lanes) = most_queues THEN lanes[most_queues] END;
BEGIN
    RETURN QUERY SELECT m.* FROM unnest(lanes) AS lane, pgqueue.queue_metrics(lane, share) AS m;
    IF final IS NOT NULL THEN
        RETURN QUERY
        WITH beyond AS (
            SELECT greatest(j.run_at, j.enqueued_at) AS since FROM pgqueue.job j
            WHERE j.ready_xid IS NOT NULL AND j.lease IS NULL AND j.queue > final ORDER BY j.queue LIMIT most_jobs
        )
        SELECT 'jobs', NULL::text, 'queued', count(*)::double precision FROM beyond
        UNION ALL
        SELECT 'queue_oldest_ready_age_seconds', NULL, NULL,
               coalesce(greatest(0, extract(epoch FROM now() - min(b.since))), 0)::double precision FROM beyond b;
    END IF;
    RETURN QUERY
    SELECT 'jobs', CASE WHEN later.queue = ANY (lanes) OR final IS NULL THEN later.queue END,
           CASE WHEN later.attempt > 0 THEN 'retrying' ELSE 'scheduled' END, count(*)::double precision
    FROM (SELECT j.queue::text AS queue, j.attempt FROM pgqueue.job j
          WHERE j.ready_xid IS NULL AND j.blocked IS NULL ORDER BY j.run_at LIMIT most_jobs) AS later
    GROUP BY 2, 3;
    RETURN QUERY SELECT m.* FROM pgqueue.schedule_metrics(most_queues) AS m;
    RETURN QUERY
    SELECT 'table_dead_tuples', regexp_replace(t.relname, '^job_done_.*', 'job_done'), NULL::text,
           sum(t.n_dead_tup)::double precision
    FROM pg_catalog.pg_stat_user_tables t
    WHERE t.schemaname = 'pgqueue' AND t.relname ~ '^(job|job_dead|job_done_.*|failure|worker|queue|gate|tick)$'
    GROUP BY 2;
    RETURN QUERY
    SELECT 'schema_version', NULL::text, NULL::text,
           coalesce(max(substring(v.version_num FROM '\d+$')::double precision), 0) FROM pgqueue.schema_version v;
END
$$;

COMMENT ON FUNCTION pgqueue.some_queues IS
    'The first queues by name, up to most, that have jobs or a row in pgqueue.queue. Sees what the caller''s '
    'transaction sees.';
COMMENT ON FUNCTION pgqueue.queue_metrics IS
    'One queue in figures, each counted up to most_jobs; jobs that run are looked for among the first '
    'most_jobs / 10 of each priority. Sees what the caller''s transaction sees.';
COMMENT ON FUNCTION pgqueue.schedule_metrics IS
    'When schedules tick next, and when a job of one of their last 10 ticks succeeded last, in seconds from '
    '1970, for the first most by name. Sees what the caller''s transaction sees.';
COMMENT ON FUNCTION pgqueue.metrics IS
    'What monitoring wants to know, as rows of a metric, its label (a queue, a schedule or a table), a state '
    'and a value. Its cost is bounded: it counts up to most_jobs for each of up to ten queues, and up to a '
    'share of ten times most_jobs for each of more; what is beyond the first most_queues by name comes '
    'together with a label of NULL. Sees what the caller''s transaction sees.';
