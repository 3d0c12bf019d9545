-- Let a job in under its limits, at the cost of others where the rule of a full one says so: `cleared` are
-- those that this claim had picked. Otherwise the `hurdle` is the bucket that is full, which `lacks` places or
-- else tokens, and the job waits unless it is `gone`.
CREATE FUNCTION pgqueue.admit(
    buckets text[], weights integer[], lease bigint, job_id bigint, INOUT counted text[], INOUT rooms pgqueue.room[],
    OUT hurdle text, OUT lacks boolean, OUT gone boolean, OUT cleared bigint[]
)
LANGUAGE plpgsql AS $$
DECLARE
    displaced bigint;
BEGIN
    gone := false;
    cleared := '{}';
    LOOP
        IF displaced IS NOT NULL OR cardinality(counted) >= 100 THEN  -- more are slower to look up than to count
            PERFORM pgqueue.take_tokens(counted, rooms);
            counted := '{}';
            rooms := '{}';
        END IF;
        SELECT e.* INTO counted, rooms, hurdle, lacks
        FROM pgqueue.enter(buckets, weights, admit.lease, admit.job_id, NULL, counted, rooms) AS e;
        EXIT WHEN NOT lacks;
        SELECT t.* INTO gone, displaced FROM pgqueue.turn_away(admit.job_id, hurdle, admit.lease) AS t;
        EXIT WHEN displaced IS NULL;
        cleared := cleared || displaced;
    END LOOP;
END
$$;

-- Pick up to so many jobs of a queue for the claim with this lease, and close those that cannot run now.
-- What a closed one does not take of its other limits is there for somebody else who waits for them. A
-- first id of 0 says that it closed some and stopped before it had looked at all.
CREATE FUNCTION pgqueue.pick(queue text, most integer, unknown text[], lease bigint) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    picked  bigint[] := '{}';
    passed  bigint[] := '{}';
    lanes   text[] := '{}';
    served  double precision[] := '{}';
    far     double precision;
    next    record;
    hurdle  text;
    paused  boolean := EXISTS (SELECT FROM pgqueue.pause);
    around  text[] := ARRAY(SELECT d.name FROM pgqueue.detour d);
    under   text[];
    seen    boolean := true;
    looked  integer := 0;
    batch   integer := most;
    spent   text[] := '{}';
    shut    bigint[] := '{}';
    shut_by text[] := '{}';
    closed  boolean := false;
    others  text[] := '{}';
    counted text[] := '{}';
    rooms   pgqueue.room[] := '{}';
    lacks   boolean;
    gone    boolean;
    cleared bigint[];
BEGIN
    WHILE seen AND cardinality(picked) < most AND looked < 1000
    LOOP
        seen := false;
        FOR next IN
            SELECT c.*, free.id IS NULL AS locked
            FROM pgqueue.candidates(queue, batch, unknown, picked || passed) AS c
            LEFT JOIN LATERAL (
                SELECT j.id FROM pgqueue.job j WHERE j.id = c.job_id AND j.blocked AND j.lease IS NULL
                FOR UPDATE SKIP LOCKED
            ) AS free ON true
        LOOP
            EXIT WHEN cardinality(picked) = most;
            seen := true;
            looked := looked + 1;
            IF next.locked THEN
                passed := passed || next.job_id;
                CONTINUE;
            END IF;
            under := next.buckets || pgqueue.own_limits(queue, next.task, around);
            IF under && spent THEN  -- as for the one before
                shut := shut || next.job_id;
                shut_by := shut_by || (SELECT bucket FROM unnest(under) AS bucket WHERE bucket = ANY (spent) LIMIT 1);
                others := others || under;
                CONTINUE;
            END IF;
            hurdle := NULL;
            gone := false;
            IF paused OR next.order_key IS NOT NULL THEN
                hurdle := pgqueue.held_back(next.job_id, queue, next.task, next.tags, next.fair_key, next.order_key);
            END IF;
            IF hurdle IS NULL AND under <> '{}' THEN
                SELECT a.* INTO counted, rooms, hurdle, lacks, gone, cleared
                FROM pgqueue.admit(under, next.weights || ARRAY[1, 1], pick.lease, next.job_id, counted, rooms) AS a;
                IF cleared <> '{}' THEN
                    SELECT coalesce(array_agg(p.id), '{}'), coalesce(array_agg(p.lane), '{}'), coalesce(array_agg(p.far), '{}')
                    INTO picked, lanes, served
                    FROM unnest(picked, lanes, served) AS p(id, lane, far) WHERE p.id <> ALL (cleared);
                END IF;
            END IF;
            IF hurdle IS NULL THEN
                picked := picked || next.job_id;
                IF next.order_key IS NOT NULL THEN  -- who becomes visible meanwhile must see that it runs
                    UPDATE pgqueue.gate g SET state = 'held', lease = pick.lease WHERE g.job_id = next.job_id;
                END IF;
                lanes := lanes || next.fair_key;
                served := served || next.start + 1 / next.weight::double precision;
                far := greatest(far, next.start);
            ELSIF NOT gone THEN
                shut := shut || next.job_id;
                shut_by := shut_by || hurdle;
                others := others || under;
                IF hurdle = ANY (under) AND (NOT lacks OR (pgqueue.rule_of(hurdle)).when_full = 'wait') THEN
                    spent := spent || hurdle;
                END IF;
            END IF;
        END LOOP;
        UPDATE pgqueue.gate g SET state = 'closed', blocker = closing.blocker
        FROM unnest(shut, shut_by) AS closing(job_id, blocker)
        WHERE g.job_id = closing.job_id AND g.state = 'open';
        closed := closed OR shut <> '{}';
        shut := '{}';
        shut_by := '{}';
        -- Where most are held back, ask for more at once: each question goes over all tenants.
        batch := least(greatest(most - cardinality(picked), looked), 1000 - looked);
    END LOOP;
    PERFORM pgqueue.take_tokens(counted, rooms);
    PERFORM pgqueue.look_soon(other.bucket)
    FROM (SELECT DISTINCT bucket FROM unnest(others) AS bucket WHERE bucket <> ALL (spent)) AS other;
    IF lanes <> array_fill(''::text, ARRAY[cardinality(lanes)])
       OR lanes <> '{}' AND EXISTS (SELECT FROM pgqueue.fair_line f WHERE f.queue = pick.queue) THEN
        PERFORM pgqueue.serve(queue, lanes, served, far);
    END IF;
    RETURN CASE WHEN closed AND looked >= 1000 THEN 0 || picked ELSE picked END;
END
$$;

-- Remember how far the tenants of a queue, and the queue, are now served.
CREATE FUNCTION pgqueue.serve(queue text, fair_keys text[], served double precision[], far double precision)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pgqueue.share AS s (queue, fair_key, served)
    SELECT serve.queue, lane.fair_key, max(lane.served)
    FROM unnest(serve.fair_keys, serve.served) AS lane(fair_key, served)
    GROUP BY lane.fair_key
    ON CONFLICT ON CONSTRAINT share_pkey DO UPDATE SET served = excluded.served;
    INSERT INTO pgqueue.fair_line AS f (queue, served) VALUES (serve.queue, serve.far)
    ON CONFLICT ON CONSTRAINT fair_line_pkey DO UPDATE SET served = greatest(f.served, excluded.served);
END
$$;

-- Claim jobs that go through the gate: what claim() is for plain ones. All calls take turns, so what is
-- checked here holds. The last row has no id; `waited` is the number of seconds after which there may be
-- more without any job's end, and its task is 'gate' when there is more to do at once.
CREATE FUNCTION pgqueue.claim_gated(queue text, max_jobs integer, worker bigint, unknown text[])
RETURNS TABLE (
    id bigint, lease bigint, task text, args text, attempt smallint, max_attempts smallint,
    priority smallint, ready_xid bigint, due double precision, waited double precision,
    timeout double precision, tags text[], meta text, progress text, snapshot text, epoch bigint
)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    token  bigint;
    next   bigint[];
    picked bigint[] := '{}';
    partly boolean := false;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pgqueue.lock_gate();
    IF NOT EXISTS (SELECT FROM pgqueue.worker w WHERE w.id = claim_gated.worker) THEN
        RAISE EXCEPTION 'pgqueue: worker % is not registered', claim_gated.worker
            USING ERRCODE = 'PQ001', HINT = 'Its lease ran out and it was rescued; it has to register anew.';
    END IF;
    token := pgqueue.new_lease();
    PERFORM pgqueue.expire();
    PERFORM pgqueue.settle();
    IF NOT EXISTS (SELECT FROM pgqueue.queue q WHERE q.name = claim_gated.queue AND q.paused_at IS NOT NULL
                   AND coalesce(q.paused_until > now(), true)) THEN
        FOR round IN 1 .. 20
        LOOP
            PERFORM pgqueue.reopen();
            next := pgqueue.pick(
                claim_gated.queue, claim_gated.max_jobs - cardinality(picked), claim_gated.unknown, token);
            UPDATE pgqueue.gate g SET state = 'held', lease = token WHERE g.job_id = ANY (next);
            partly := next[1] = 0;
            picked := picked || array_remove(next, 0::bigint);
            -- Who was opened and closed again, for want of another limit, has made room for somebody else.
            EXIT WHEN cardinality(picked) >= claim_gated.max_jobs OR partly
                 OR NOT EXISTS (SELECT FROM pgqueue.look l WHERE l.at <= clock_timestamp());
        END LOOP;
        RETURN QUERY
        UPDATE pgqueue.job j
        SET lease = token, worker_id = claim_gated.worker, started_at = clock_timestamp(),
            attempt = least(j.attempt, 32766) + 1
        WHERE j.id = ANY (picked)
        RETURNING j.id, j.lease, j.task::text, j.args::text, j.attempt::smallint, j.max_attempts::smallint,
                  j.priority::smallint, 0::bigint,
                  date_part('epoch', j.run_at),
                  date_part('epoch', clock_timestamp() - greatest(j.run_at, j.enqueued_at)),
                  date_part('epoch', j.timeout), j.tags, j.meta::text, j.progress::text, NULL::text, NULL::bigint;
    ELSE
        PERFORM pgqueue.reopen();
    END IF;
    IF (cardinality(picked) >= claim_gated.max_jobs OR partly)
       AND EXISTS (SELECT FROM pgqueue.gate g WHERE g.queue = claim_gated.queue AND g.state = 'open') THEN
        task := 'gate';
        PERFORM pgqueue.ring(claim_gated.queue);
    END IF;
    waited := (SELECT date_part('epoch', l.at - clock_timestamp()) FROM pgqueue.look l ORDER BY l.at LIMIT 1);
    RETURN NEXT;
END
$$;
