-- The rest of why(): jobs that could run if others were not before them.

-- A plain job in line: who is claimed before it, counted up to 1000. Counting begins at its own place and
-- goes forward, because behind the head of the line there may be the dead rows of jobs that are over.
CREATE FUNCTION pgqueue.why_in_line(asked pgqueue.job) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
    ahead bigint;
BEGIN
    SELECT count(*) INTO ahead
    FROM (
        SELECT FROM (
            SELECT FROM pgqueue.job j
            WHERE j.queue = asked.queue AND j.priority = asked.priority AND j.ready_xid IS NOT NULL
              AND (j.ready_xid, j.id) < (asked.ready_xid, asked.id) AND j.lease IS NULL
            ORDER BY j.ready_xid DESC, j.id DESC
            LIMIT 1001
        ) AS same
        UNION ALL
        SELECT FROM generate_series(asked.priority + 1, 10) AS line(priority), LATERAL (
            SELECT FROM pgqueue.job j
            WHERE j.queue = asked.queue AND j.priority = line.priority AND j.ready_xid IS NOT NULL AND j.lease IS NULL
            ORDER BY j.ready_xid DESC, j.id DESC
            LIMIT 1001
        ) AS higher
        LIMIT 1001
    ) AS before;
    RETURN QUERY SELECT t.* FROM pgqueue.why_turn(asked.queue, asked.priority, ahead) AS t;
END
$$;

-- The sentence for who only waits for a turn.
CREATE FUNCTION pgqueue.why_turn(queue text, priority integer, ahead bigint)
RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF ahead = 0 THEN
        RETURN QUERY SELECT 'next', format('It is next in queue "%s", and runs as soon as a worker has room.', queue),
            jsonb_build_object('queue', queue);
        RETURN;
    END IF;
    RETURN QUERY SELECT 'turn', format('It waits for its turn behind %s of queue "%s" with priority %s or higher.',
        pgqueue.say_jobs(ahead), queue, priority),
        jsonb_build_object('queue', queue, 'ahead', least(ahead, 1000), 'more', ahead > 1000);
END
$$;

-- A job at the gate: its order_key, its limits, its turn.
CREATE FUNCTION pgqueue.why_at_gate(id bigint) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
    asked pgqueue.gate;
BEGIN
    SELECT g.* INTO asked FROM pgqueue.gate g WHERE g.job_id = why_at_gate.id;
    IF asked.order_key IS NOT NULL THEN
        RETURN QUERY SELECT o.* FROM pgqueue.why_ordered(asked) AS o;
    END IF;
    RETURN QUERY
    SELECT l.* FROM unnest(asked.buckets || ARRAY['queue:' || asked.queue, 'task:' || asked.task],
                           asked.weights || ARRAY[1, 1]) AS held(bucket, weight),
                    pgqueue.why_limited(held.bucket, held.weight) AS l;
    RETURN QUERY SELECT t.* FROM pgqueue.why_shared(asked) AS t;
END
$$;

-- Behind others of its order_key. The one that runs is named, or else the first of them. What counts is
-- what their jobs are now: the next look at the gate settles the rest.
CREATE FUNCTION pgqueue.why_ordered(asked pgqueue.gate) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
    head  pgqueue.job;
    ahead bigint;
    state text;
BEGIN
    SELECT count(*) INTO ahead
    FROM (
        SELECT FROM pgqueue.gate g JOIN pgqueue.job j ON j.id = g.job_id
        WHERE g.queue = asked.queue AND g.order_key = asked.order_key AND g.job_id < asked.job_id
          AND (j.blocked OR NOT g.skips_failing)
        ORDER BY g.job_id
        LIMIT 1001
    ) AS before;
    SELECT j.* INTO head
    FROM pgqueue.gate g JOIN pgqueue.job j ON j.id = g.job_id AND j.lease = g.lease
    WHERE g.queue = asked.queue AND g.order_key = asked.order_key AND g.state IN ('held', 'ended')
    LIMIT 1;
    IF head.id IS NULL THEN
        SELECT j.* INTO head
        FROM pgqueue.gate g JOIN pgqueue.job j ON j.id = g.job_id
        WHERE g.queue = asked.queue AND g.order_key = asked.order_key AND g.job_id < asked.job_id
          AND (j.blocked OR NOT g.skips_failing)
        ORDER BY g.job_id
        LIMIT 1;
    END IF;
    IF head.id IS NULL THEN
        RETURN;
    END IF;
    state := CASE WHEN head.lease IS NOT NULL THEN 'running' WHEN head.blocked THEN 'blocked'
                  WHEN head.attempt > 0 THEN 'retrying' ELSE 'scheduled' END;
    RETURN QUERY SELECT 'order', format('It waits behind %s of its order_key "%s": job %s %s.',
        pgqueue.say_jobs(greatest(ahead, 1)), asked.order_key, head.id,
        CASE state WHEN 'running' THEN 'is running' WHEN 'blocked' THEN 'waits, too'
                   WHEN 'retrying' THEN 'is retried at ' || pgqueue.say(head.run_at)
                   ELSE 'is scheduled for ' || pgqueue.say(head.run_at) END),
        jsonb_build_object('order_key', asked.order_key, 'job_id', head.id, 'state', state,
                           'run_at', pgqueue.instant(head.run_at), 'ahead', least(ahead, 1000), 'more', ahead > 1000);
END
$$;

-- A limit that has no room for it now.
CREATE FUNCTION pgqueue.why_limited(bucket text, weight integer) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
    rule    pgqueue.limit_rule := pgqueue.rule_of(bucket);
    needed  integer := least(weight, coalesce(rule.burst, rule.rate));
    holders bigint[];
    others  bigint;
    tokens  double precision;
    free_at timestamptz;
BEGIN
    IF rule.concurrency IS NOT NULL THEN
        SELECT array_agg(s.job_id ORDER BY s.taken_at, s.job_id) FILTER (WHERE s.job_id > 0),
               count(*) FILTER (WHERE s.job_id = 0)
        INTO holders, others
        FROM pgqueue.slot s
        WHERE s.bucket = why_limited.bucket
          AND CASE WHEN s.job_id = 0 THEN s.expires_at > statement_timestamp()
                   ELSE EXISTS (SELECT FROM pgqueue.job j WHERE j.id = s.job_id AND j.lease = s.lease) END;
        IF coalesce(cardinality(holders), 0) + others >= rule.concurrency THEN
            RETURN QUERY SELECT 'limit', format('Limit "%s" of %s at once is full: held by %s; it has room when one ends.',
                bucket, rule.concurrency, concat_ws(', and ',
                    CASE cardinality(holders) WHEN 1 THEN 'job ' ELSE 'jobs ' END
                        || pgqueue.say_list(holders[:3]::text[], cardinality(holders), 'more'),
                    CASE others WHEN 0 THEN NULL WHEN 1 THEN '1 holder outside of jobs'
                                ELSE others || ' holders outside of jobs' END)),
                jsonb_build_object('limit', rule.name, 'bucket', bucket, 'concurrency', rule.concurrency,
                                   'held_by', coalesce(holders[:100], '{}'), 'outside', others);
            RETURN;
        END IF;
    END IF;
    IF rule.rate IS NOT NULL THEN
        tokens := (pgqueue.room_of(bucket, rule)).tokens;
        IF tokens < needed THEN
            SELECT b.kept_until INTO free_at FROM pgqueue.bucket b
            WHERE b.name = why_limited.bucket AND b.kept_until > clock_timestamp();
            free_at := coalesce(free_at, pgqueue.refilled_at(bucket, rule, tokens, needed));
            RETURN QUERY SELECT 'rate', format('Limit "%s" of %s per %s s is used up; it has room again at %s.',
                bucket, rule.rate, date_part('epoch', rule.per), pgqueue.say(free_at)),
                jsonb_build_object('limit', rule.name, 'bucket', bucket, 'rate', rule.rate,
                                   'per', date_part('epoch', rule.per), 'room_at', pgqueue.instant(free_at));
        END IF;
    END IF;
END
$$;

-- The turn of a job at the gate: who of its tenant is before it, and how many tenants take turns with it.
CREATE FUNCTION pgqueue.why_shared(asked pgqueue.gate) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
    ahead   bigint := pgqueue.ahead_at_gate(asked);
    tenants bigint;
BEGIN
    WITH RECURSIVE lane AS (
        (SELECT g.fair_key, 1 AS number FROM pgqueue.gate g
         WHERE g.queue = asked.queue AND g.state = 'open' ORDER BY g.fair_key LIMIT 1)
        UNION ALL
        SELECT following.fair_key, lane.number + 1
        FROM lane, LATERAL (
            SELECT g.fair_key FROM pgqueue.gate g
            WHERE g.queue = asked.queue AND g.state = 'open' AND g.fair_key > lane.fair_key
            ORDER BY g.fair_key LIMIT 1
        ) AS following
        WHERE lane.number <= 1001
    )
    SELECT count(*) INTO tenants FROM lane WHERE lane.fair_key <> asked.fair_key;
    IF tenants = 0 THEN
        RETURN QUERY SELECT t.* FROM pgqueue.why_turn(asked.queue, asked.priority, ahead) AS t;
        RETURN;
    END IF;
    RETURN QUERY SELECT 'fair_share', format(
        CASE WHEN asked.fair_key = '' THEN 'It %s of the jobs without a tenant, which take turns with %s in queue "%s".'
             ELSE 'It %s of tenant "%4$s", which takes turns with %2$s in queue "%3$s".' END,
        CASE WHEN ahead = 0 THEN 'is the next' ELSE 'waits behind ' || pgqueue.say_jobs(ahead) END,
        CASE WHEN tenants > 1000 THEN 'more than 1000 others' WHEN tenants = 1 THEN '1 other' ELSE tenants || ' others' END,
        asked.queue, asked.fair_key),
        jsonb_build_object('queue', asked.queue, 'tenant', nullif(asked.fair_key, ''), 'ahead', least(ahead, 1000),
                           'more', ahead > 1000, 'tenants', least(tenants, 1000));
END
$$;

-- How many of its tenant are before a job at the gate, counted up to 1000: those that may be picked, and if
-- it is closed, those that wait for the same.
CREATE FUNCTION pgqueue.ahead_at_gate(asked pgqueue.gate) RETURNS bigint
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
BEGIN
    RETURN (
        SELECT count(*)
        FROM (
            SELECT FROM generate_series(asked.priority, 10) AS line(priority), LATERAL (
                SELECT FROM pgqueue.gate g
                WHERE g.state = 'open' AND g.queue = asked.queue AND g.fair_key = asked.fair_key
                  AND g.priority = line.priority
                  AND g.job_id < CASE WHEN line.priority > asked.priority THEN 9223372036854775807 ELSE asked.job_id END
                ORDER BY g.job_id
                LIMIT 1001
            ) AS open
            UNION ALL
            SELECT FROM generate_series(asked.priority, 10) AS line(priority), LATERAL (
                SELECT FROM pgqueue.gate g
                WHERE g.state = 'closed' AND g.blocker = asked.blocker AND g.queue = asked.queue
                  AND g.fair_key = asked.fair_key AND g.priority = line.priority AND asked.blocker <> 'order'
                  AND g.job_id < CASE WHEN line.priority > asked.priority THEN 9223372036854775807 ELSE asked.job_id END
                ORDER BY g.job_id
                LIMIT 1001
            ) AS closed
            LIMIT 1001
        ) AS before);
END
$$;
