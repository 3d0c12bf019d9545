-- Who is next at the gate of a queue: tenant by tenant, who was served least for its weight first; within
-- a tenant by priority, then by age. `start` tells how far the tenant was served before.
CREATE FUNCTION pgqueue.candidates(queue text, most integer, unknown text[], passed bigint[])
RETURNS TABLE (
    job_id bigint, task text, tags text[], fair_key text, order_key text, buckets text[], weights integer[],
    start double precision, weight integer
)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    far double precision := (SELECT f.served FROM pgqueue.fair_line f WHERE f.queue = candidates.queue);
BEGIN
    RETURN QUERY
    WITH RECURSIVE lane AS (
        (SELECT g.fair_key FROM pgqueue.gate g
         WHERE g.queue = candidates.queue AND g.state = 'open'
         ORDER BY g.fair_key LIMIT 1)
        UNION ALL
        SELECT following.fair_key
        FROM lane, LATERAL (
            SELECT g.fair_key FROM pgqueue.gate g
            WHERE g.queue = candidates.queue AND g.state = 'open' AND g.fair_key > lane.fair_key
            ORDER BY g.fair_key LIMIT 1
        ) AS following
    )
    SELECT head.job_id, head.task, head.tags, lane.fair_key, head.order_key, head.buckets, head.weights,
           greatest(s.served, far, 0) + (head.turn - 1) / coalesce(w.weight, 1)::double precision AS start,
           coalesce(w.weight, 1)
    FROM lane
    LEFT JOIN pgqueue.share s ON s.queue = candidates.queue AND s.fair_key = lane.fair_key
    LEFT JOIN pgqueue.fair_weight w ON w.queue = candidates.queue AND w.fair_key = lane.fair_key,
    LATERAL (
        SELECT first.*, row_number() OVER (ORDER BY first.priority DESC, first.job_id) AS turn
        FROM (
            SELECT g.* FROM pgqueue.gate g
            WHERE g.queue = candidates.queue AND g.state = 'open' AND g.fair_key = lane.fair_key
              AND g.task <> ALL (candidates.unknown) AND g.job_id <> ALL (candidates.passed)
              AND (g.expires_at IS NULL OR g.expires_at > clock_timestamp())
            ORDER BY g.priority DESC, g.job_id
            LIMIT candidates.most
        ) AS first
    ) AS head
    ORDER BY start, head.priority DESC, head.job_id
    LIMIT candidates.most;
END
$$;

-- Why a job at the gate cannot run now, apart from limits: a pause, or its turn. NULL: it can.
CREATE FUNCTION pgqueue.held_back(job_id bigint, queue text, task text, tags text[], fair_key text, order_key text)
RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    pause pgqueue.pause;
BEGIN
    SELECT p.* INTO pause FROM pgqueue.pause p
    WHERE coalesce(p.until > clock_timestamp(), true)
      AND (p.kind = 'task' AND p.name = held_back.task
           OR p.kind = 'tag' AND p.name = ANY (held_back.tags)
           OR p.kind = 'tenant' AND p.name = held_back.fair_key)
    LIMIT 1;
    IF FOUND THEN
        RETURN 'pause ' || pause.kind || ':' || pause.name;
    END IF;
    IF held_back.order_key IS NOT NULL AND (EXISTS (
        SELECT FROM pgqueue.gate runs
        WHERE runs.queue = held_back.queue AND runs.order_key = held_back.order_key AND runs.state = 'held'
    ) OR EXISTS (
        SELECT FROM pgqueue.gate before JOIN pgqueue.job j ON j.id = before.job_id
        WHERE before.queue = held_back.queue AND before.order_key = held_back.order_key
          AND before.job_id < held_back.job_id
          AND (before.state IN ('open', 'closed') OR before.state = 'away' AND NOT before.skips_failing)
    )) THEN
        RETURN 'order';
    END IF;
    RETURN NULL;
END
$$;

-- What a limit's rule says about a new job that finds every place taken, besides that it waits: the job is
-- cancelled (`gone`), or the older one is that has had a place for the longest time. A running job is asked to stop; one that
-- the claim with this lease has only just picked is cancelled at once (`displaced`), and its places are free.
CREATE FUNCTION pgqueue.turn_away(
    job_id bigint, bucket text, lease bigint, OUT gone boolean, OUT displaced bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    rule pgqueue.limit_rule := pgqueue.rule_of(bucket);
    why  text := 'job ' || job_id || ' needed its place under the limit ' || bucket;
BEGIN
    gone := false;
    IF coalesce(rule.when_full, 'wait') = 'wait'
       OR EXISTS (SELECT FROM pgqueue.job j WHERE j.id = turn_away.job_id AND j.started_at IS NOT NULL) THEN
        RETURN;  -- who comes back is not new
    END IF;
    IF rule.when_full = 'cancel_newest' THEN
        gone := pgqueue.bury(turn_away.job_id, NULL, 'cancelled', 'the limit ' || bucket || ' was full');
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pgqueue.slot s JOIN pgqueue.job runs ON runs.id = s.job_id AND runs.lease = s.lease
               WHERE s.bucket = turn_away.bucket AND runs.cancel_reason = why) THEN
        RETURN;
    END IF;
    UPDATE pgqueue.job j SET cancel_requested_at = now(), cancel_reason = why
    WHERE j.id = ANY (ARRAY(
        SELECT runs.id FROM pgqueue.slot s JOIN pgqueue.job runs ON runs.id = s.job_id AND runs.lease = s.lease
        WHERE s.bucket = turn_away.bucket AND runs.cancel_requested_at IS NULL AND runs.id < turn_away.job_id
        ORDER BY s.taken_at LIMIT 1
        FOR UPDATE OF runs SKIP LOCKED));
    IF NOT FOUND THEN
        SELECT s.job_id INTO displaced FROM pgqueue.slot s
        WHERE s.bucket = turn_away.bucket AND s.lease = turn_away.lease AND s.job_id < turn_away.job_id
        ORDER BY s.job_id LIMIT 1;
        DELETE FROM pgqueue.slot s WHERE s.job_id = displaced AND s.lease = turn_away.lease;
        PERFORM pgqueue.bury(displaced, NULL, 'cancelled', why);
    END IF;
END
$$;

-- The buckets of its queue and its task that a job is counted in, given the detours.
CREATE FUNCTION pgqueue.own_limits(queue text, task text, around text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF around = '{}' THEN
        RETURN around;
    END IF;
    RETURN ARRAY(
        SELECT own FROM unnest(ARRAY['queue:' || queue, 'task:' || task]) AS own
        WHERE own = ANY (around) OR 'all' = ANY (around));
END
$$;
