-- How deep the queues were, once a minute.
CREATE TABLE pgqueue.queue_sample (
    at             timestamptz NOT NULL,
    queue          text NOT NULL,
    queued         integer NOT NULL DEFAULT 0,
    running        integer NOT NULL DEFAULT 0,
    oldest_seconds double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, at)
) WITH (fillfactor = 80);
CREATE INDEX queue_sample_at ON pgqueue.queue_sample (at);

-- How many jobs of a queue run, and since when the first of its line waits: it looks at the most first jobs of
-- each priority, and at what the gate has let through, so what a backlog costs has an end.
CREATE FUNCTION pgqueue.look_at_line(queue text, most integer, OUT running integer, OUT oldest timestamptz)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    gated integer;
BEGIN
    SELECT count(*) FILTER (WHERE head.lease IS NOT NULL), min(head.since) FILTER (WHERE head.lease IS NULL)
    INTO running, oldest
    FROM generate_series(-10, 10) AS line CROSS JOIN LATERAL (
        SELECT j.lease, greatest(j.run_at, j.enqueued_at) AS since FROM pgqueue.job j
        WHERE j.queue = look_at_line.queue AND j.priority = line AND j.ready_xid IS NOT NULL
        ORDER BY j.ready_xid, j.id
        LIMIT look_at_line.most) AS head;
    SELECT count(*) INTO gated FROM pgqueue.gate g JOIN pgqueue.job j ON j.id = g.job_id AND j.lease = g.lease
    WHERE g.queue = look_at_line.queue AND g.state = 'held';
    running := running + gated;
END
$$;

-- The names of all queues that have a row, or jobs in line or at the gate: from one name to the next by the
-- index, from its end, as before the head of a line there are the dead rows of jobs that are over.
CREATE FUNCTION pgqueue.queue_names() RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE lane AS (
        (SELECT j.queue::text AS name FROM pgqueue.job j
         WHERE j.ready_xid IS NOT NULL
         ORDER BY j.queue DESC, j.priority DESC, j.ready_xid DESC, j.id DESC LIMIT 1)
        UNION ALL
        SELECT (SELECT j.queue::text FROM pgqueue.job j
                WHERE j.ready_xid IS NOT NULL AND j.queue < lane.name
                ORDER BY j.queue DESC, j.priority DESC, j.ready_xid DESC, j.id DESC LIMIT 1)
        FROM lane WHERE lane.name IS NOT NULL
    ),
    gated AS (
        (SELECT j.queue::text AS name FROM pgqueue.job j
         WHERE j.ready_xid IS NULL AND j.blocked
         ORDER BY j.queue DESC, j.priority DESC, j.id DESC LIMIT 1)
        UNION ALL
        SELECT (SELECT j.queue::text FROM pgqueue.job j
                WHERE j.ready_xid IS NULL AND j.blocked AND j.queue < gated.name
                ORDER BY j.queue DESC, j.priority DESC, j.id DESC LIMIT 1)
        FROM gated WHERE gated.name IS NOT NULL
    )
    SELECT q.name::text FROM pgqueue.queue q
    UNION SELECT lane.name FROM lane WHERE lane.name IS NOT NULL
    UNION SELECT gated.name FROM gated WHERE gated.name IS NOT NULL;
END
$$;

-- Note how deep the queues are. Who comes first in a minute does it for all: the others find the rows, and
-- look at nothing. Counts end at 10,000.
CREATE FUNCTION pgqueue.sample() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    minute timestamptz := date_bin('1 minute', now(), '2000-01-01 00:00:00+00');
    lanes  text[];
BEGIN
    WITH came_first AS (
        INSERT INTO pgqueue.queue_sample AS s (at, queue)
        SELECT minute, lane FROM pgqueue.queue_names() AS lane ORDER BY lane COLLATE "C"
        ON CONFLICT ON CONSTRAINT queue_sample_pkey DO NOTHING
        RETURNING s.queue
    )
    SELECT array_agg(c.queue) INTO lanes FROM came_first c;
    UPDATE pgqueue.queue_sample s
    SET queued = pgqueue.backlog(s.queue, 10000),
        running = least(line.running, 10000),
        oldest_seconds = greatest(coalesce(extract(epoch FROM now() - line.oldest), 0), 0)
    FROM unnest(lanes) AS lane(name), LATERAL pgqueue.look_at_line(lane.name, 10000) AS line
    WHERE s.at = minute AND s.queue = lane.name;
    RETURN coalesce(cardinality(lanes), 0);
END
$$;

-- How deep a queue was, or all of them together: the most in each step. A step that nobody looked in has no row.
CREATE FUNCTION pgqueue.depths(
    since timestamptz,
    until timestamptz DEFAULT now(),
    step  interval DEFAULT interval '1 minute',
    queue text DEFAULT NULL
) RETURNS TABLE (at timestamptz, queued integer, running integer, oldest_seconds double precision)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    origin CONSTANT timestamptz := '2000-01-01 00:00:00+00';
BEGIN
    PERFORM pgqueue.check_steps(depths.since, depths.until, depths.step);
    RETURN QUERY
    SELECT date_bin(depths.step, look.at, origin), max(look.queued)::integer, max(look.running)::integer,
           max(look.oldest_seconds)
    FROM (
        SELECT s.at, sum(s.queued) AS queued, sum(s.running) AS running, max(s.oldest_seconds) AS oldest_seconds
        FROM pgqueue.queue_sample s
        WHERE s.at >= date_bin(depths.step, depths.since, origin) AND s.at < depths.until
          AND s.queue = coalesce(depths.queue, s.queue)
        GROUP BY s.at
    ) AS look
    GROUP BY 1 ORDER BY 1;
END
$$;
