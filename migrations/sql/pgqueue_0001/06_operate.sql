-- Cancel a job. One that is not running never runs again; a running one is asked to stop and is
-- cancelled unless it succeeds first. Returns the new state, 'cancelling', or NULL: nothing to cancel.
CREATE FUNCTION pgqueue.cancel(id bigint, reason text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    running boolean;
    gated   boolean;
    lane    text;
BEGIN
    SELECT j.lease IS NOT NULL, pgqueue.is_gated(j.flow), j.queue INTO running, gated, lane
    FROM pgqueue.job j WHERE j.id = cancel.id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT running THEN
        PERFORM pgqueue.bury(cancel.id, NULL, 'cancelled', cancel.reason);
        IF gated THEN  -- the next of its key may run
            PERFORM pgqueue.ring(lane);
        END IF;
        RETURN 'cancelled';
    END IF;
    UPDATE pgqueue.job j
    SET cancel_requested_at = coalesce(j.cancel_requested_at, now()),
        cancel_reason = coalesce(cancel.reason, j.cancel_reason)
    WHERE j.id = cancel.id;
    RETURN 'cancelling';
END
$$;

-- Run a dead or cancelled job again, under the same id and with all its attempts; or run a scheduled or
-- retrying one now. Returns whether it will run: false for a queued, running, succeeded or unknown job, and
-- where another job has its unique key.
CREATE FUNCTION pgqueue.retry(id bigint) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    queue text;
    gated boolean;
BEGIN
    IF NOT pgqueue.retake_key(retry.id) THEN
        RETURN false;
    END IF;
    WITH dead AS (
        DELETE FROM pgqueue.job_dead d WHERE d.id = retry.id RETURNING d.*
    )
    INSERT INTO pgqueue.job AS j (id, run_at, ready_xid, enqueued_at, timeout, priority, max_attempts, queue, task,
                                  args, tags, meta, progress, flow)
    SELECT d.id, now(), NULL, d.enqueued_at, d.timeout, d.priority, d.max_attempts, d.queue, d.task,
           d.args, d.tags, d.meta, d.progress, d.flow - '{expires_at,retry_until}'::text[]
    FROM dead d;
    UPDATE pgqueue.job j
    SET ready_xid = CASE WHEN pgqueue.is_gated(j.flow) THEN NULL ELSE pg_current_xact_id()::text::bigint END,
        blocked = pgqueue.is_gated(j.flow), run_at = now()
    WHERE j.id = retry.id AND coalesce(j.ready_xid, 0) = 0  -- IS NULL would invite job_waiting
      AND j.blocked IS NOT TRUE
    RETURNING j.queue, j.blocked INTO queue, gated;
    IF queue IS NULL THEN
        RETURN false;
    END IF;
    IF gated THEN
        PERFORM pgqueue.line_up(ARRAY[retry.id]);
    END IF;
    PERFORM pgqueue.ring(queue);
    RETURN true;
END
$$;

-- Stop handing out the jobs of a queue, until resume_queue() or that instant; running ones go on. Pausing
-- a paused queue changes everything but since when. When the time is over nobody needs to do anything:
-- whoever asks compares paused_until with the clock.
CREATE FUNCTION pgqueue.pause_queue(
    name      text,
    reason    text DEFAULT NULL,
    paused_by text DEFAULT NULL,
    until     timestamptz DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF pause_queue.until <= now() THEN
        RAISE EXCEPTION 'pgqueue: a pause until % would be over already', pause_queue.until
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Name an instant to come, as in until => now() + interval ''30 minutes''.';
    END IF;
    INSERT INTO pgqueue.queue AS q (name, paused_at, paused_by, pause_reason, paused_until)
    VALUES (pause_queue.name, now(), coalesce(pause_queue.paused_by, session_user), pause_queue.reason,
            pause_queue.until)
    ON CONFLICT ON CONSTRAINT queue_pkey DO UPDATE
    SET paused_at = CASE WHEN q.paused_until <= now() THEN now() ELSE coalesce(q.paused_at, excluded.paused_at) END,
        paused_by = excluded.paused_by,
        pause_reason = excluded.pause_reason,
        paused_until = excluded.paused_until;
END
$$;

-- Returns whether the queue was paused. One whose pause has ended by itself was not, but who sleeps is woken.
CREATE FUNCTION pgqueue.resume_queue(name text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    ended_at timestamptz;
BEGIN
    SELECT q.paused_until INTO ended_at FROM pgqueue.queue q WHERE q.name = resume_queue.name FOR UPDATE;
    UPDATE pgqueue.queue q
    SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, paused_until = NULL
    WHERE q.name = resume_queue.name AND q.paused_at IS NOT NULL;
    IF FOUND THEN
        PERFORM pgqueue.ring(resume_queue.name);
        RETURN coalesce(ended_at > now(), true);
    END IF;
    RETURN false;
END
$$;

-- Ask to be told when a job ends: its end then sends a NOTIFY on pgqueue_finished, and a success is kept
-- even where the queue keeps none. Does not wait for a locked row: ask again. Returns whether there is
-- still something to wait for. A claimer that came by while this held the row has passed it over, so
-- claimers are made to look again.
CREATE FUNCTION pgqueue.await_job(id bigint) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    in_line text;
BEGIN
    UPDATE pgqueue.job j SET awaited = true
    WHERE j.id = ANY (ARRAY(
        SELECT free.id FROM pgqueue.job free
        WHERE free.id = await_job.id AND NOT free.awaited
        FOR UPDATE SKIP LOCKED))
    RETURNING CASE WHEN j.lease IS NULL AND j.ready_xid IS NOT NULL THEN j.queue END INTO in_line;
    IF in_line IS NOT NULL THEN
        PERFORM pgqueue.look_again(in_line);
    END IF;
    RETURN EXISTS (SELECT FROM pgqueue.job j WHERE j.id = await_job.id);
END
$$;

-- What a running handler reports of itself. False when the lease was lost, or when the row is locked: its
-- handler may be completing it, and others are not to wait.
CREATE FUNCTION pgqueue.report_progress(job_id bigint, lease bigint, progress jsonb) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    UPDATE pgqueue.job reported SET progress = report_progress.progress
    WHERE reported.id = ANY (ARRAY(
        SELECT j.id FROM pgqueue.job j
        WHERE j.id = report_progress.job_id AND j.lease = report_progress.lease
        FOR UPDATE SKIP LOCKED));
    RETURN FOUND;
END
$$;
