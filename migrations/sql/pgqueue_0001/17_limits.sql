-- Limits for operators and applications: change them while jobs run, and take a place outside of jobs.

-- Have those looked at who wait for this limit or pause, or for one of its buckets, and wake their queues.
-- The row is added whatever waits now: a claim on its way may close more jobs, or use up a row that is there.
CREATE FUNCTION pgqueue.nudge(name text) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    INSERT INTO pgqueue.look (blocker, at) VALUES (nudge.name, clock_timestamp());
    PERFORM pgqueue.ring(waits.queue) FROM (SELECT DISTINCT c.queue FROM pgqueue.closed_by(nudge.name) AS c) AS waits;
END
$$;

-- Give places to the jobs that run already under the limit of a queue or a task.
CREATE FUNCTION pgqueue.count_running(name text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pgqueue.slot (bucket, lease, job_id, taken_at)
    SELECT runs.bucket, runs.lease, runs.id, coalesce(runs.started_at, now())
    FROM (SELECT CASE WHEN count_running.name ~ '^queue' THEN 'queue:' || j.queue ELSE 'task:' || j.task END AS bucket,
                 j.lease, j.id, j.started_at
          FROM pgqueue.job j WHERE j.lease IS NOT NULL) AS runs
    WHERE runs.bucket = count_running.name OR starts_with(runs.bucket, count_running.name || ':')
    ON CONFLICT DO NOTHING;
END
$$;

-- Declare a limit or change it. It holds for jobs that start from its commit on; those that run count.
-- What an application declares does not change what an operator has set.
CREATE FUNCTION pgqueue.set_limit(
    name        text,
    concurrency integer DEFAULT NULL,
    rate        integer DEFAULT NULL,
    per         interval DEFAULT NULL,
    burst       integer DEFAULT NULL,
    sliding     boolean DEFAULT false,
    when_full   text DEFAULT 'wait',
    declared    boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pgqueue.limit_rule AS r (name, concurrency, rate, per, burst, sliding, when_full, declared)
    VALUES (set_limit.name, set_limit.concurrency, set_limit.rate, set_limit.per, set_limit.burst, set_limit.sliding,
            set_limit.when_full, set_limit.declared)
    ON CONFLICT ON CONSTRAINT limit_rule_pkey DO UPDATE
    SET concurrency = excluded.concurrency, rate = excluded.rate, per = excluded.per, burst = excluded.burst,
        sliding = excluded.sliding, when_full = excluded.when_full, declared = excluded.declared, changed_at = now()
    WHERE (NOT excluded.declared OR r.declared)
      AND (r.concurrency, r.rate, r.per, r.burst, r.sliding, r.when_full, r.declared) IS DISTINCT FROM
          (excluded.concurrency, excluded.rate, excluded.per, excluded.burst, excluded.sliding, excluded.when_full,
           excluded.declared);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF set_limit.name ~ '^(queue|task)(:|$)' THEN
        PERFORM pgqueue.plan_detours();
        PERFORM pgqueue.count_running(set_limit.name);
    END IF;
    PERFORM pgqueue.nudge(set_limit.name);
END
$$;

-- Returns whether there was such a limit.
CREATE FUNCTION pgqueue.remove_limit(name text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM pgqueue.limit_rule r WHERE r.name = remove_limit.name;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pgqueue.plan_detours();
    PERFORM pgqueue.nudge(remove_limit.name);
    RETURN true;
END
$$;

-- How many jobs a tenant of a queue gets for each job of one with the weight 1, which is what all have.
CREATE FUNCTION pgqueue.set_weight(queue text, fair_key text, weight integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pgqueue.fair_weight (queue, fair_key, weight)
    VALUES (set_weight.queue, set_weight.fair_key, set_weight.weight)
    ON CONFLICT ON CONSTRAINT fair_weight_pkey DO UPDATE SET weight = excluded.weight;
END
$$;

-- Take a place under a limit outside of jobs: a token, or NULL and the seconds after which to ask again
-- (NULL: when somebody leaves). Commit at once: until then everybody else at the gate has to wait.
CREATE FUNCTION pgqueue.acquire(
    bucket text, weight integer DEFAULT 1, lease_for interval DEFAULT '30 seconds',
    OUT token bigint, OUT wait double precision, OUT when_full text
)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    entry record;
BEGIN
    IF (weight BETWEEN 1 AND 9999999 AND lease_for > interval '0') IS NOT TRUE THEN
        RAISE EXCEPTION 'pgqueue: a weight lies between 1 and 9999999, and lease_for is longer than zero'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a place back with leave().';
    END IF;
    PERFORM pgqueue.lock_gate();
    PERFORM pgqueue.settle();
    token := pgqueue.new_lease();
    SELECT e.* INTO entry
    FROM pgqueue.enter(ARRAY[bucket], ARRAY[weight], token, 0, clock_timestamp() + lease_for, '{}', '{}') AS e;
    PERFORM pgqueue.take_tokens(entry.counted, entry.rooms);
    IF entry.hurdle IS NOT NULL THEN
        token := NULL;
        wait := (SELECT date_part('epoch', b.kept_until - clock_timestamp()) FROM pgqueue.bucket b
                 WHERE b.name = acquire.bucket AND b.kept_until > clock_timestamp());
        when_full := CASE WHEN entry.of_places THEN (pgqueue.rule_of(bucket)).when_full ELSE 'wait' END;
    END IF;
END
$$;

-- Keep a place that was acquired. Returns whether it was still there.
CREATE FUNCTION pgqueue.stay(token bigint, lease_for interval DEFAULT '30 seconds') RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF (lease_for > interval '0') IS NOT TRUE THEN
        RAISE EXCEPTION 'pgqueue: lease_for is longer than zero'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a place back with leave().';
    END IF;
    UPDATE pgqueue.slot s SET expires_at = clock_timestamp() + lease_for
    WHERE s.lease = stay.token AND s.job_id = 0 AND s.expires_at > clock_timestamp();
    RETURN FOUND;
END
$$;

-- Give a place back that was acquired. Returns whether it was still there.
CREATE FUNCTION pgqueue.leave(token bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    freed text;
BEGIN
    DELETE FROM pgqueue.slot s WHERE s.lease = leave.token AND s.job_id = 0 RETURNING s.bucket INTO freed;
    IF freed IS NULL THEN
        RETURN false;
    END IF;
    PERFORM pgqueue.nudge(freed);
    RETURN true;
END
$$;

CREATE VIEW pgqueue.limits AS
SELECT r.name, r.concurrency, r.rate, r.per, r.burst, r.sliding, r.when_full,
       (SELECT count(*) FROM pgqueue.slot s
        WHERE (s.bucket = r.name OR starts_with(s.bucket, r.name || ':')
               AND NOT EXISTS (SELECT FROM pgqueue.limit_rule own WHERE own.name = s.bucket))
          AND CASE WHEN s.job_id = 0 THEN s.expires_at > now()
                   ELSE EXISTS (SELECT FROM pgqueue.job j WHERE j.id = s.job_id AND j.lease = s.lease) END) AS running,
       (SELECT count(*) FROM pgqueue.gate g
        WHERE g.state = 'closed'
          AND (g.blocker = r.name OR starts_with(g.blocker, r.name || ':')
               AND NOT EXISTS (SELECT FROM pgqueue.limit_rule own WHERE own.name = g.blocker))) AS waiting,
       r.declared, r.changed_at
FROM pgqueue.limit_rule r;
