-- A lease token: milliseconds since 2020, then 22 random bits. It rises with the clock, and is never given
-- twice, not even when a crash makes the server forget a claim (a sequence could repeat itself there). It
-- lasts until 2089.
CREATE FUNCTION pgqueue.new_lease() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT floor((date_part('epoch', clock_timestamp()) - 1577836800) * 1000)::bigint * 4194304
           + floor(random() * 4194304)::bigint
$$;

-- Hand out up to max_jobs jobs, priority by priority, oldest first, starting after the places that the
-- claimer already knows to be settled. The plan is pinned: with sorting off, only job_ready gives the
-- order. A claim is not flushed: if a server crash forgets it, nobody has completed it either.
-- The last row has no id. It tells which transactions were open before the scan, as pg_current_snapshot()
-- does, and the queue's epoch; both are NULL when the queue is paused. In the place of a task it has
-- 'gate' when there is something to do for claim_gated(), and 'detour' when jobs of this scan were sent
-- there.
CREATE FUNCTION pgqueue.claim(
    queue      text,
    max_jobs   integer,
    worker     bigint,
    unknown    text[],
    priorities smallint[],
    after_xid  bigint[],
    after_id   bigint[]
) RETURNS TABLE (
    id bigint, lease bigint, task text, args text, attempt smallint, max_attempts smallint,
    priority smallint, ready_xid bigint, due double precision, waited double precision,
    timeout double precision, tags text[], meta text, progress text, snapshot text, epoch bigint
)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    known  bigint;
    turn   bigint;
    paused timestamptz;
    before text;
    token  bigint;
    gated  text;
    around text[];
    sifted bigint[];
BEGIN
    SELECT w.id, q.epoch, CASE WHEN q.paused_until <= now() THEN NULL ELSE q.paused_at END,
           CASE WHEN EXISTS (SELECT FROM pgqueue.gate g WHERE g.queue = claim.queue AND g.state = 'open')
                  OR EXISTS (SELECT FROM pgqueue.gate g WHERE g.queue = claim.queue AND g.state IN ('held', 'ended'))
                  OR EXISTS (SELECT FROM pgqueue.look l WHERE l.at <= now())
                  OR EXISTS (SELECT FROM pgqueue.gate g
                             WHERE g.expires_at <= now() AND g.expires_at IS NOT NULL AND g.state IN ('open', 'closed'))
                THEN 'gate' END,
           ARRAY(SELECT d.name FROM pgqueue.detour d)
    INTO known, turn, paused, gated, around
    FROM (SELECT) AS always
    LEFT JOIN pgqueue.worker w ON w.id = claim.worker
    LEFT JOIN pgqueue.queue q ON q.name = claim.queue;
    IF known IS NULL THEN
        RAISE EXCEPTION 'pgqueue: worker % is not registered', claim.worker
            USING ERRCODE = 'PQ001', HINT = 'Its lease ran out and it was rescued; it has to register anew.';
    END IF;
    IF turn IS NULL THEN
        INSERT INTO pgqueue.queue (name) VALUES (claim.queue) ON CONFLICT DO NOTHING;
        turn := 0;
    END IF;
    IF paused IS NOT NULL THEN
        task := gated;
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    before := pg_current_snapshot()::text;
    token := pgqueue.new_lease();
    IF around <> '{}' THEN
        FOR round IN 1 .. 1 + 1000 / claim.max_jobs
        LOOP
            sifted := pgqueue.sift(claim.queue, claim.max_jobs, claim.unknown, around, claim.priorities,
                                   claim.after_xid, claim.after_id);
            IF sifted[1] = 0 THEN
                gated := 'detour';
            END IF;
            EXIT WHEN sifted <> ARRAY[0::bigint];
        END LOOP;
    END IF;
    RETURN QUERY
    UPDATE pgqueue.job j
    SET lease = token, worker_id = claim.worker, started_at = now(), attempt = least(j.attempt, 32766) + 1
    WHERE j.id = ANY (CASE WHEN sifted IS NOT NULL THEN sifted ELSE ARRAY(
        SELECT line.id
        FROM unnest(claim.priorities, claim.after_xid, claim.after_id) AS mark(priority, xid, id),
        LATERAL (
            SELECT c.id
            FROM pgqueue.job c
            WHERE c.queue = claim.queue AND c.priority = mark.priority AND c.ready_xid IS NOT NULL
              AND (c.ready_xid, c.id) > (mark.xid, mark.id)
              AND c.lease IS NULL
              AND c.task <> ALL (claim.unknown)
            ORDER BY c.ready_xid, c.id
            LIMIT claim.max_jobs
            FOR UPDATE SKIP LOCKED
        ) AS line
        LIMIT claim.max_jobs
    ) END)
    RETURNING j.id, j.lease, j.task::text, j.args::text, j.attempt::smallint, j.max_attempts::smallint,
              j.priority::smallint, j.ready_xid,
              date_part('epoch', j.run_at), date_part('epoch', now() - greatest(j.run_at, j.enqueued_at)),
              date_part('epoch', j.timeout), j.tags, j.meta::text, j.progress::text, NULL::text, NULL::bigint;
    task := gated;
    snapshot := before;
    epoch := turn;
    RETURN NEXT;
END
$$;
