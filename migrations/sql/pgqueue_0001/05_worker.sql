-- A worker process begins. Its queues get a row, so that claims find something to ask.
CREATE FUNCTION pgqueue.register(
    name text, host text, pid integer, version text, queues text[], tasks text[],
    concurrency integer, lease_for interval, schedules jsonb DEFAULT '{}'
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    worker_id bigint;
BEGIN
    INSERT INTO pgqueue.queue AS q (name)
    SELECT served FROM unnest(register.queues) AS served
    ON CONFLICT DO NOTHING;
    INSERT INTO pgqueue.worker (name, host, pid, version, queues, tasks, concurrency, lease_for, schedules)
    VALUES (register.name, register.host, register.pid, register.version, register.queues, register.tasks,
            register.concurrency, register.lease_for, register.schedules)
    RETURNING id INTO worker_id;
    RETURN worker_id;
END
$$;

-- Extend the leases of a worker, all at once. False means that it was rescued: nothing is extended.
CREATE FUNCTION pgqueue.renew(worker bigint, running integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE pgqueue.worker w SET seen_at = now(), running = renew.running WHERE w.id = renew.worker;
    RETURN FOUND;
END
$$;

-- Which of these leases a worker should stop working for: lost ones, and jobs that were asked to cancel.
-- It gives up soon on a locked table, because its caller has heartbeats to send.
CREATE FUNCTION pgqueue.check_leases(ids bigint[], leases bigint[])
RETURNS TABLE (job_id bigint, verdict text, reason text)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off SET lock_timeout = '300ms' AS $$
BEGIN
    RETURN QUERY
    SELECT held.id, CASE WHEN j.id IS NULL THEN 'lost' ELSE 'cancel' END, j.cancel_reason
    FROM unnest(ids, leases) AS held(id, lease)
    LEFT JOIN LATERAL (
        SELECT job.id, job.cancel_requested_at, job.cancel_reason
        FROM pgqueue.job job WHERE job.id = held.id AND job.lease = held.lease
    ) AS j ON true
    WHERE j.id IS NULL OR j.cancel_requested_at IS NOT NULL;
END
$$;

-- A worker process ends. What it still holds is released first by the worker itself.
CREATE FUNCTION pgqueue.unregister(worker bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM pgqueue.worker w WHERE w.id = unregister.worker;
    RETURN FOUND;
END
$$;

-- Ask a worker to take no more jobs ('quiet'), to take them again ('resume'), or to end ('stop'), which cannot
-- be taken back. Returns whether there is such a worker that is not lost, and can do so.
CREATE FUNCTION pgqueue.ask_worker(worker bigint, wish text, asked_by text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF ask_worker.wish IS NULL OR ask_worker.wish NOT IN ('quiet', 'resume', 'stop') THEN
        RAISE EXCEPTION 'pgqueue: no worker knows the wish %', coalesce('"' || ask_worker.wish || '"', 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask it for quiet, resume or stop.';
    END IF;
    DELETE FROM pgqueue.wish x WHERE NOT EXISTS (SELECT FROM pgqueue.worker w WHERE w.id = x.worker_id);
    IF NOT EXISTS (SELECT FROM pgqueue.worker w
                   WHERE w.id = ask_worker.worker AND w.seen_at + w.lease_for >= now()
                     AND (ask_worker.wish = 'stop' OR w.draining_at IS NULL OR w.quiet)) THEN
        RETURN false;
    END IF;
    IF ask_worker.wish = 'resume' THEN
        DELETE FROM pgqueue.wish x WHERE x.worker_id = ask_worker.worker AND x.wish <> 'stop';
        RETURN NOT EXISTS (SELECT FROM pgqueue.wish x WHERE x.worker_id = ask_worker.worker);
    END IF;
    INSERT INTO pgqueue.wish AS x (worker_id, wish, wished_by)
    VALUES (ask_worker.worker, ask_worker.wish, coalesce(ask_worker.asked_by, session_user))
    ON CONFLICT ON CONSTRAINT wish_pkey DO UPDATE
    SET wish = excluded.wish, wished_at = excluded.wished_at, wished_by = excluded.wished_by
    WHERE x.wish <> 'stop';
    RETURN FOUND OR ask_worker.wish = 'stop';
END
$$;

-- Make due jobs ready, with a fresh place in line. Returns the seconds until the next one is due.
CREATE FUNCTION pgqueue.promote(max_jobs integer DEFAULT 1000) RETURNS double precision
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    gated       bigint[];
    queues      text[];
    next_run_at timestamptz;
BEGIN
    WITH promoted AS (
        UPDATE pgqueue.job j
        SET ready_xid = CASE WHEN pgqueue.is_gated(j.flow) THEN NULL ELSE pg_current_xact_id()::text::bigint END,
            blocked = pgqueue.is_gated(j.flow)
        WHERE j.id = ANY (ARRAY(
            SELECT due.id FROM pgqueue.job due
            WHERE due.ready_xid IS NULL AND due.blocked IS NULL AND due.run_at <= now()
            ORDER BY due.run_at
            LIMIT max_jobs
            FOR UPDATE SKIP LOCKED))
        RETURNING j.id, j.queue, j.blocked
    )
    SELECT array_agg(p.id) FILTER (WHERE p.blocked), array_agg(p.queue) INTO gated, queues FROM promoted p;
    IF gated IS NOT NULL THEN
        PERFORM pgqueue.line_up(gated);
    END IF;
    PERFORM pgqueue.ring(lane.name) FROM (SELECT DISTINCT name FROM unnest(queues) AS name) AS lane;
    SELECT j.run_at INTO next_run_at FROM pgqueue.job j WHERE j.ready_xid IS NULL AND j.blocked IS NULL
    ORDER BY j.run_at LIMIT 1;
    RETURN extract(epoch FROM next_run_at - clock_timestamp());
END
$$;

-- Take the jobs of workers whose heartbeat stopped, and put them back in their place in line; those
-- without attempts left are dead. Anybody may call it at any time. A thorough call also looks for leases
-- whose worker has no row any more. A job locked by somebody else is left to a later thorough call.
CREATE FUNCTION pgqueue.rescue(thorough boolean DEFAULT false)
RETURNS TABLE (job_id bigint, queue text, task text, worker_id bigint, worker text, state text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    lost  bigint[];
    names text[];
    taken pgqueue.job;
    lane  text;
BEGIN
    WITH expired AS (
        DELETE FROM pgqueue.worker w
        WHERE w.id = ANY (ARRAY(
            SELECT s.id FROM pgqueue.worker s
            WHERE s.seen_at + s.lease_for < now()
            FOR UPDATE SKIP LOCKED))
        RETURNING w.id, w.name
    )
    SELECT array_agg(e.id), array_agg(e.name) INTO lost, names FROM expired e;
    IF thorough THEN
        SELECT lost || array_agg(DISTINCT j.worker_id) INTO lost
        FROM pgqueue.job j
        WHERE j.lease IS NOT NULL AND NOT EXISTS (SELECT FROM pgqueue.worker w WHERE w.id = j.worker_id);
    END IF;
    IF coalesce(cardinality(lost), 0) = 0 THEN
        RETURN;
    END IF;
    FOR taken IN
        SELECT j.* FROM pgqueue.job j
        WHERE j.lease IS NOT NULL AND j.worker_id = ANY (lost)
        ORDER BY j.queue, j.id
        FOR UPDATE SKIP LOCKED
    LOOP
        job_id := taken.id;
        queue := taken.queue;
        task := taken.task;
        worker_id := taken.worker_id;
        worker := names[array_position(lost, taken.worker_id)];
        state := pgqueue.take_back(taken);
        IF state = 'queued' AND lane IS DISTINCT FROM taken.queue THEN
            lane := taken.queue;
            PERFORM pgqueue.look_again(lane);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- What rescue does with one job, whose row it has locked.
CREATE FUNCTION pgqueue.take_back(taken pgqueue.job) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    INSERT INTO pgqueue.failure (job_id, attempt, worker_id, queue, task, started_at, error_type, message,
                                 fingerprint)
    VALUES (taken.id, taken.attempt, taken.worker_id, taken.queue, taken.task, taken.started_at, 'WorkerLost',
            'the worker stopped sending heartbeats while it ran this job', 'WorkerLost');
    IF taken.cancel_requested_at IS NOT NULL THEN
        PERFORM pgqueue.bury(taken.id, taken.lease, 'cancelled', taken.cancel_reason);
        RETURN 'cancelled';
    END IF;
    IF taken.attempt >= taken.max_attempts THEN
        PERFORM pgqueue.bury(taken.id, taken.lease, 'dead', 'WorkerLost: the worker stopped sending heartbeats');
        RETURN 'dead';
    END IF;
    UPDATE pgqueue.job j SET lease = NULL, worker_id = NULL WHERE j.id = taken.id AND j.lease = taken.lease;
    RETURN 'queued';
END
$$;
