-- Hand out up to max_jobs jobs, priority by priority, oldest first, starting after the places that the
-- claimer already knows to be settled. The plan is pinned: with sorting off, only job_ready gives the
-- order. A claim is not flushed: if a server crash forgets it, nobody has completed it either.
-- The last row has no id. It tells which transactions were open before the scan, as pg_current_snapshot()
-- does, and the queue's epoch; both are NULL when the queue is paused.
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
BEGIN
    SELECT w.id, q.epoch, q.paused_at INTO known, turn, paused
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
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    before := pg_current_snapshot()::text;
    -- Milliseconds since 2020, then 22 random bits: rising with the clock, and never given twice, not even
    -- when a crash makes the server forget a claim (a sequence could repeat itself there). Lasts until 2089.
    token := floor((date_part('epoch', clock_timestamp()) - 1577836800) * 1000)::bigint * 4194304
             + floor(random() * 4194304)::bigint;
    RETURN QUERY
    UPDATE pgqueue.job j
    SET lease = token, worker_id = claim.worker, started_at = now(), attempt = least(j.attempt, 32766) + 1
    WHERE j.id = ANY (ARRAY(
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
    ))
    RETURNING j.id, j.lease, j.task, j.args::text, j.attempt, j.max_attempts, j.priority, j.ready_xid,
              date_part('epoch', j.run_at), date_part('epoch', now() - greatest(j.run_at, j.enqueued_at)),
              date_part('epoch', j.timeout), j.tags, j.meta::text, j.progress::text, NULL::text, NULL::bigint;
    snapshot := before;
    epoch := turn;
    RETURN NEXT;
END
$$;
