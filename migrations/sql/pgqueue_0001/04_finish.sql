-- Every function here is fenced by the lease: a worker that lost it matches no row and changes nothing.

-- Complete a batch of one queue. ids rise; leases[i] belongs to ids[i], and width_bucket finds the i of
-- an id by binary search, so that the statement stays a plain delete by primary key.
CREATE FUNCTION pgqueue.complete(queue text, ids bigint[], leases bigint[], results jsonb DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
    keep    boolean;
    total   integer;
    awaited boolean;
BEGIN
    SELECT q.keep_succeeded IS NOT NULL INTO keep FROM pgqueue.queue q WHERE q.name = complete.queue;
    IF keep IS FALSE AND results IS NULL THEN
        DELETE FROM pgqueue.job j
        WHERE j.id = ANY (ids) AND j.lease = leases[width_bucket(j.id, ids)] AND NOT j.awaited;
        GET DIAGNOSTICS total = ROW_COUNT;
        IF total = cardinality(ids) THEN
            RETURN total;
        END IF;
    END IF;
    WITH finished AS (
        DELETE FROM pgqueue.job j
        WHERE j.id = ANY (ids) AND j.lease = leases[width_bucket(j.id, ids)]
        RETURNING j.*
    ), kept AS (
        INSERT INTO pgqueue.job_done (
            id, lease, worker_id, run_at, enqueued_at, started_at, finished_at, priority, attempt,
            max_attempts, queue, task, args, tags, meta, progress, result)
        SELECT f.id, f.lease, f.worker_id, f.run_at, f.enqueued_at, f.started_at, now(), f.priority,
               f.attempt, f.max_attempts, f.queue, f.task, f.args, f.tags, f.meta, f.progress,
               results -> f.id::text
        FROM finished f
        WHERE keep IS NOT FALSE OR f.awaited
    )
    SELECT count(*) + coalesce(total, 0), bool_or(f.awaited) INTO total, awaited FROM finished f;
    IF awaited THEN
        PERFORM pg_notify('pgqueue_finished', '');
    END IF;
    RETURN total;
END
$$;

-- Move a live job to the dead and the cancelled. Nobody but the functions of this schema calls it.
CREATE FUNCTION pgqueue.bury(job_id bigint, held_lease bigint, final_state text, why text) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    awaited boolean;
    gated   boolean;
BEGIN
    WITH gone AS (
        DELETE FROM pgqueue.job j
        WHERE j.id = bury.job_id AND j.lease IS NOT DISTINCT FROM bury.held_lease
        RETURNING j.*
    ), kept AS (
        INSERT INTO pgqueue.job_dead (
            id, state, reason, lease, worker_id, run_at, enqueued_at, started_at, timeout, priority,
            attempt, max_attempts, queue, task, args, tags, meta, progress, flow)
        SELECT g.id, bury.final_state, bury.why, g.lease, g.worker_id, g.run_at, g.enqueued_at, g.started_at,
               g.timeout, g.priority, g.attempt, g.max_attempts, g.queue, g.task, g.args, g.tags, g.meta,
               g.progress, g.flow
        FROM gone g
    )
    SELECT g.awaited, g.flow IS NOT NULL OR g.blocked INTO awaited, gated FROM gone g;
    IF gated THEN
        UPDATE pgqueue.gate g SET state = 'ended', blocker = NULL WHERE g.job_id = bury.job_id;
    END IF;
    IF awaited THEN
        PERFORM pg_notify('pgqueue_finished', '');
    END IF;
    RETURN awaited IS NOT NULL;
END
$$;

-- Record a failed attempt. With a delay the job is retried after it; without one it is dead, as it is
-- when the retry would come after the time that the job's flow gives to retries.
-- Returns the new state, or NULL when the lease was lost.
CREATE FUNCTION pgqueue.fail(
    job_id bigint, lease bigint, delay interval, error_type text, message text,
    traceback text DEFAULT NULL, fingerprint text DEFAULT NULL, place text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    failed pgqueue.job;
    again  timestamptz := now() + least(greatest(fail.delay, interval '0'), interval '7000 years');
BEGIN
    SELECT j.* INTO failed FROM pgqueue.job j WHERE j.id = fail.job_id AND j.lease = fail.lease FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO pgqueue.failure (job_id, attempt, worker_id, queue, task, started_at, error_type, message,
                                 traceback, fingerprint, place)
    VALUES (failed.id, failed.attempt, failed.worker_id, failed.queue, failed.task, failed.started_at,
            fail.error_type, fail.message, fail.traceback, coalesce(fail.fingerprint, fail.error_type),
            fail.place);
    IF failed.cancel_requested_at IS NOT NULL THEN
        PERFORM pgqueue.bury(failed.id, failed.lease, 'cancelled', failed.cancel_reason);
        RETURN 'cancelled';
    END IF;
    IF fail.delay IS NULL OR again > (failed.flow ->> 'retry_until')::timestamptz THEN
        PERFORM pgqueue.bury(failed.id, failed.lease, 'dead', fail.error_type || ': ' || fail.message);
        RETURN 'dead';
    END IF;
    UPDATE pgqueue.job j
    SET lease = NULL, worker_id = NULL, ready_xid = NULL, blocked = NULL, run_at = again
    WHERE j.id = failed.id;
    RETURN 'retrying';
END
$$;

-- Put a running job back for later without costing it an attempt.
CREATE FUNCTION pgqueue.snooze(job_id bigint, lease bigint, delay interval) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    snoozed pgqueue.job;
BEGIN
    SELECT j.* INTO snoozed FROM pgqueue.job j WHERE j.id = snooze.job_id AND j.lease = snooze.lease FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF snoozed.cancel_requested_at IS NOT NULL THEN
        PERFORM pgqueue.bury(snoozed.id, snoozed.lease, 'cancelled', snoozed.cancel_reason);
        RETURN 'cancelled';
    END IF;
    UPDATE pgqueue.job j
    SET lease = NULL, worker_id = NULL, ready_xid = NULL, blocked = NULL, attempt = greatest(j.attempt - 1, 0),
        run_at = now() + least(greatest(snooze.delay, interval '0'), interval '7000 years')
    WHERE j.id = snoozed.id;
    RETURN 'scheduled';
END
$$;

-- End a running job as cancelled, because its own handler said so or obeyed a request.
CREATE FUNCTION pgqueue.cancel_running(job_id bigint, lease bigint, reason text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    why text;
BEGIN
    SELECT coalesce(cancel_running.reason, j.cancel_reason) INTO why
    FROM pgqueue.job j WHERE j.id = cancel_running.job_id;
    IF pgqueue.bury(cancel_running.job_id, cancel_running.lease, 'cancelled', why) THEN
        RETURN 'cancelled';
    END IF;
    RETURN NULL;
END
$$;

-- Which of these claims still hold their lease, and whether nobody has locked their row.
CREATE FUNCTION pgqueue.held(ids bigint[], leases bigint[]) RETURNS TABLE (job_id bigint, free boolean)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET lock_timeout = '300ms' AS $$
BEGIN
    RETURN QUERY
    SELECT leased.id, unlocked.id IS NOT NULL
    FROM unnest(ids, leases) AS claim(id, lease)
    JOIN LATERAL (
        SELECT job.id FROM pgqueue.job job WHERE job.id = claim.id AND job.lease = claim.lease
    ) AS leased ON true
    LEFT JOIN LATERAL (
        SELECT job.id FROM pgqueue.job job
        WHERE job.id = claim.id AND job.lease = claim.lease FOR UPDATE SKIP LOCKED
    ) AS unlocked ON true;
END
$$;

-- Make claimers look from the beginning, because a job is back at an old place in line. A queue whose row
-- is locked, as by an open pause_queue(), is not waited for: claimers look again within seconds anyway.
CREATE FUNCTION pgqueue.look_again(queue text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE pgqueue.queue q SET epoch = q.epoch + 1
    WHERE q.name = ANY (ARRAY(
        SELECT free.name FROM pgqueue.queue free
        WHERE free.name = look_again.queue
        FOR UPDATE SKIP LOCKED));
    PERFORM pgqueue.ring(look_again.queue);
END
$$;

-- Give back claims that were not run to an end. The jobs keep their place in line and their attempts.
CREATE FUNCTION pgqueue.release(ids bigint[], leases bigint[]) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    lane  text;
    part  integer;
    total integer := 0;
BEGIN
    FOR lane, part IN
        WITH released AS (
            UPDATE pgqueue.job j
            SET lease = NULL, worker_id = NULL, attempt = greatest(j.attempt - 1, 0)
            WHERE j.id = ANY (ids) AND j.lease = leases[width_bucket(j.id, ids)]
            RETURNING j.queue
        )
        SELECT r.queue, count(*) FROM released r GROUP BY r.queue ORDER BY r.queue
    LOOP
        PERFORM pgqueue.look_again(lane);
        total := total + part;
    END LOOP;
    RETURN total;
END
$$;
