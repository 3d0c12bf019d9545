-- The bell: whoever sleeps holds an exclusive advisory lock for the queue. Taking it shared until our
-- commit is visible proves that nobody sleeps; failing to take it means that somebody must be woken.
-- A job that is due soon needs no claim yet, but whoever waits for the next due job has to look again.
CREATE FUNCTION pgqueue.ring(queue text, soon boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(7077, hashtext(ring.queue)) THEN
        PERFORM pg_notify('pgqueue', CASE WHEN ring.soon THEN 'soon ' ELSE '' END || hashtext(ring.queue));
    END IF;
END
$$;

-- Wake whoever sleeps for one of these jobs, an array as enqueue_many() takes it.
CREATE FUNCTION pgqueue.ring_for(jobs jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    name  text;
    ready boolean;
    soon  boolean;
BEGIN
    FOR name, ready, soon IN
        SELECT due.queue, bool_or(due.at <= now()),
               bool_or(due.at > now() AND due.at < clock_timestamp() + interval '10 seconds')
        FROM (SELECT coalesce(job ->> 'queue', 'default') AS queue,
                     coalesce((job ->> 'run_at')::timestamptz, now() + (job ->> 'delay')::interval, now()) AS at
              FROM jsonb_array_elements(jobs) AS job) AS due
        GROUP BY due.queue
    LOOP
        IF ready THEN
            PERFORM pgqueue.ring(name);
        END IF;
        IF soon THEN
            PERFORM pgqueue.ring(name, soon => true);
        END IF;
    END LOOP;
END
$$;

-- What CHECK constraints cannot say. Small documents cannot break these rules, so callers skip it for them.
CREATE FUNCTION pgqueue.check_args(args jsonb, max_args_bytes integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF octet_length(args::text) > max_args_bytes THEN
        RAISE EXCEPTION 'pgqueue: args take % bytes, at most % are allowed',
            octet_length(args::text), max_args_bytes
            USING ERRCODE = 'program_limit_exceeded',
                  HINT = 'Store the data in a table of yours and pass its key, or raise max_args_bytes.';
    END IF;
    IF jsonb_path_exists(args, 'strict $.**{101}') THEN
        RAISE EXCEPTION 'pgqueue: args are nested more than 100 levels deep'
            USING ERRCODE = 'program_limit_exceeded',
                  HINT = 'Flatten the data, or pass it as a string.';
    END IF;
END
$$;

CREATE FUNCTION pgqueue.enqueue(
    task           text,
    args           jsonb DEFAULT '{}',
    queue          text DEFAULT 'default',
    priority       integer DEFAULT 0,
    run_at         timestamptz DEFAULT NULL,
    max_attempts   integer DEFAULT 20,
    timeout        interval DEFAULT NULL,
    tags           text[] DEFAULT NULL,
    meta           jsonb DEFAULT NULL,
    max_args_bytes integer DEFAULT 1048576,
    flow           jsonb DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    ready_xid bigint;
    job_id    bigint;
BEGIN
    IF enqueue.flow IS NOT NULL THEN
        RETURN (SELECT w.job_id FROM pgqueue.enqueue_with(
            enqueue.task, enqueue.args, enqueue.queue, enqueue.priority, enqueue.run_at, enqueue.max_attempts,
            enqueue.timeout, enqueue.tags, enqueue.meta, enqueue.max_args_bytes, enqueue.flow) AS w);
    END IF;
    IF pg_column_size(enqueue.args) > 800 THEN
        PERFORM pgqueue.check_args(enqueue.args, enqueue.max_args_bytes);
    END IF;
    IF enqueue.run_at IS NULL OR enqueue.run_at <= now() THEN
        ready_xid := pg_current_xact_id()::text::bigint;
    END IF;
    INSERT INTO pgqueue.job (task, args, queue, priority, run_at, ready_xid, max_attempts, timeout, tags, meta)
    VALUES (enqueue.task, enqueue.args, enqueue.queue, enqueue.priority,
            coalesce(enqueue.run_at, now()), ready_xid,
            enqueue.max_attempts, enqueue.timeout, enqueue.tags, enqueue.meta)
    RETURNING id INTO job_id;
    IF ready_xid IS NULL THEN
        IF enqueue.run_at < clock_timestamp() + interval '10 seconds' THEN
            PERFORM pgqueue.ring(enqueue.queue, soon => true);
        END IF;
    ELSIF NOT pg_try_advisory_xact_lock_shared(7077, hashtext(enqueue.queue)) THEN
        PERFORM pg_notify('pgqueue', hashtext(enqueue.queue)::text);
    END IF;
    RETURN job_id;
END
$$;

-- Many jobs in one statement: a JSON array of objects whose keys are the parameters of enqueue(),
-- or "delay", an interval from now, instead of "run_at". Jobs with flow are enqueued one by one.
CREATE FUNCTION pgqueue.enqueue_many(jobs jsonb, max_args_bytes integer DEFAULT 1048576)
RETURNS SETOF bigint
LANGUAGE plpgsql AS $$
DECLARE
    xid bigint := pg_current_xact_id()::text::bigint;
    bad text;
BEGIN
    IF jsonb_typeof(jobs) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'pgqueue: enqueue_many takes a JSON array of jobs, got %',
            coalesce(jsonb_typeof(jobs), 'NULL')
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'For example: ''[{"task": "send_receipt", "args": {"order_id": 42}}]''';
    END IF;
    SELECT jsonb_typeof(job) INTO bad FROM jsonb_array_elements(jobs) AS job WHERE jsonb_typeof(job) <> 'object' LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'pgqueue: each job is a JSON object, got %', bad
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'For example: {"task": "send_receipt", "args": {"order_id": 42}}';
    END IF;
    SELECT key INTO bad
    FROM jsonb_array_elements(jobs) AS job, jsonb_object_keys(job) AS key
    WHERE key NOT IN ('task', 'args', 'queue', 'priority', 'run_at', 'delay', 'max_attempts', 'timeout', 'tags', 'meta',
                      'flow')
    LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'pgqueue: a job has no field "%"', bad
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Fields: task, args, queue, priority, run_at, delay, max_attempts, timeout, tags, meta, flow.';
    END IF;
    IF jobs @? '$[*] ? (exists(@.flow))' THEN
        RETURN QUERY SELECT w.job_id FROM pgqueue.enqueue_many_with(jobs, max_args_bytes) AS w;
        RETURN;
    END IF;
    PERFORM pgqueue.check_args(job -> 'args', max_args_bytes)
    FROM jsonb_array_elements(jobs) AS job
    WHERE pg_column_size(job) > 800;

    RETURN QUERY
    INSERT INTO pgqueue.job (task, args, queue, priority, run_at, ready_xid, max_attempts, timeout, tags, meta)
    SELECT job.task, coalesce(job.args, '{}'), coalesce(job.queue, 'default'), coalesce(job.priority, 0),
           coalesce(job.run_at, now() + job.delay, now()),
           CASE WHEN coalesce(job.run_at, now() + job.delay, now()) <= now() THEN xid END,
           coalesce(job.max_attempts, 20), job.timeout, job.tags, job.meta
    FROM ROWS FROM (
        jsonb_to_recordset(jobs) AS (
            task text, args jsonb, queue text, priority smallint, run_at timestamptz,
            delay interval, max_attempts smallint, timeout interval, tags text[], meta jsonb)
    ) WITH ORDINALITY AS job(task, args, queue, priority, run_at, delay, max_attempts, timeout, tags, meta, place)
    ORDER BY job.place
    RETURNING id;

    PERFORM pgqueue.ring_for(jobs);
END
$$;
