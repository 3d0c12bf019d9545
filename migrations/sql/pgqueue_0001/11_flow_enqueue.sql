-- Jobs with flow options: what they may say, how they get to the gate, how they are enqueued.

-- Whether a job with this flow goes through the gate: true or NULL.
CREATE FUNCTION pgqueue.is_gated(flow jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN flow ?| '{order_key,fair_key,limits,expires_at}' THEN true END
$$;

-- Bring jobs that are blocked to the gate, as their rows say; those that were there may be picked again.
CREATE FUNCTION pgqueue.line_up(ids bigint[]) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    INSERT INTO pgqueue.gate AS g (job_id, queue, task, tags, priority, fair_key, order_key, skips_failing, buckets,
                                   weights, expires_at)
    SELECT j.id, j.queue, j.task, j.tags, j.priority, coalesce(j.flow ->> 'fair_key', ''), j.flow ->> 'order_key',
           coalesce(j.flow ->> 'on_failure' = 'skip', false), held.buckets, held.weights,
           CASE WHEN j.started_at IS NULL THEN (j.flow ->> 'expires_at')::timestamptz END
    FROM pgqueue.job j,
    LATERAL (
        SELECT coalesce(array_agg(l.key ORDER BY l.key), '{}') AS buckets,
               coalesce(array_agg(l.value::numeric::integer ORDER BY l.key), '{}') AS weights
        FROM jsonb_each_text(j.flow -> 'limits') AS l
    ) AS held
    WHERE j.id = ANY (ids) AND j.blocked
    ON CONFLICT (job_id) DO UPDATE SET
        state = 'open', blocker = NULL, lease = NULL, queue = excluded.queue, priority = excluded.priority,
        expires_at = excluded.expires_at;
END
$$;

-- Check what an enqueuer says about flow, and give it its stored form: instants instead of durations,
-- limits with their weights. A job for later must not expire before it is due.
CREATE FUNCTION pgqueue.check_flow(flow jsonb, due timestamptz DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    checked jsonb;
    field   text;
    kind    text;
    part    jsonb;
BEGIN
    IF jsonb_typeof(flow) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'pgqueue: flow is a JSON object, got %', coalesce(jsonb_typeof(flow), 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example: ''{"order_key": "customer 42"}''';
    END IF;
    checked := flow - '{expires_in,retry_for}'::text[];
    FOR field, kind, part IN SELECT f.key, jsonb_typeof(f.value), f.value FROM jsonb_each(flow) AS f
    LOOP
        IF field NOT IN ('order_key', 'on_failure', 'fair_key', 'limits', 'expires_in', 'expires_at', 'retry_for',
                         'retry_until', 'unique') THEN
            RAISE EXCEPTION 'pgqueue: flow has no field "%"', field
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'Fields: order_key, on_failure, fair_key, limits, expires_in, retry_for, unique.';
        END IF;
        IF field IN ('order_key', 'fair_key')
           AND (kind <> 'string' OR octet_length(part #>> '{}') NOT BETWEEN 1 AND 200) THEN
            RAISE EXCEPTION 'pgqueue: % is a string of 1 to 200 bytes', field
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Use the key of a row, or a digest of more.';
        END IF;
        IF field = 'limits' THEN
            checked := jsonb_set(checked, '{limits}', pgqueue.check_limits(part));
        END IF;
        IF field = 'unique' THEN
            checked := jsonb_set(checked, '{unique}', pgqueue.check_unique(part));
        END IF;
        IF field IN ('expires_in', 'expires_at', 'retry_for', 'retry_until') THEN
            checked := checked || jsonb_build_object(
                CASE WHEN field ~ '^retry' THEN 'retry_until' ELSE 'expires_at' END, pgqueue.check_time(field, part));
        END IF;
    END LOOP;
    IF flow ? 'on_failure' AND (flow ->> 'on_failure' NOT IN ('block', 'skip') OR NOT flow ? 'order_key') THEN
        RAISE EXCEPTION 'pgqueue: on_failure is "block" or "skip", and goes with an order_key'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'block: the next of the key waits while the first is retried; skip: it goes ahead.';
    END IF;
    due := coalesce(now() + (checked #>> '{unique,delay}')::interval, due);
    IF due > now() AND due >= (checked ->> 'expires_at')::timestamptz THEN
        RAISE EXCEPTION 'pgqueue: the job would expire before it is due, at %', due
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Let it expire later, or run earlier.';
    END IF;
    RETURN CASE WHEN checked -> 'limits' = '{}' THEN checked - 'limits' ELSE checked END;
END
$$;

-- The instant that a field of flow means: a duration counts from now. Whoever is to read it later, as for
-- all jobs that are due, would stumble over what is none.
CREATE FUNCTION pgqueue.check_time(field text, given jsonb) RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
    said text := given #>> '{}';
BEGIN
    IF field IN ('expires_in', 'retry_for') THEN
        IF (said::interval BETWEEN interval '1 microsecond' AND interval '365000 days') IS NOT TRUE THEN
            RAISE EXCEPTION 'pgqueue: % is longer than zero, at most 1000 years', field
                USING ERRCODE = 'invalid_parameter_value', HINT = 'For example: "5 minutes".';
        END IF;
        RETURN now() + said::interval;
    END IF;
    IF jsonb_typeof(given) = 'string' THEN
        BEGIN
            RETURN said::pgqueue.run_at;
        EXCEPTION WHEN data_exception OR check_violation THEN
            NULL;  -- our own words follow
        END;
    END IF;
    RAISE EXCEPTION 'pgqueue: % is an instant between the years 2 and 9998', field
        USING ERRCODE = 'invalid_parameter_value', HINT = 'For example: "2030-01-01T12:00:00Z".';
END
$$;

-- Limits as an object of buckets and weights; an array of buckets has the weight 1 for each.
CREATE FUNCTION pgqueue.check_limits(limits jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    weighed jsonb := limits;
    bad     text;
BEGIN
    IF jsonb_typeof(limits) = 'array' THEN
        SELECT coalesce(jsonb_object_agg(bucket, 1), '{}') INTO weighed FROM jsonb_array_elements_text(limits) AS bucket;
    END IF;
    IF jsonb_typeof(weighed) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'pgqueue: limits are an array of names, or an object of names and weights'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example: ''["stripe", "tenant:42"]''';
    END IF;
    SELECT l.key INTO bad FROM jsonb_each(weighed) AS l
    WHERE octet_length(l.key) NOT BETWEEN 1 AND 200 OR l.key ~ '^(queue:|task:|(order|pause)( |$))'
       OR jsonb_typeof(l.value) <> 'number' OR l.value::text !~ '^[1-9][0-9]{0,6}$'
    LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'pgqueue: "%" is no limit of a job', bad
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'A name has 1 to 200 bytes, a weight lies between 1 and 9999999; '
                         'the limits of its queue and its task hold for a job anyway.';
    END IF;
    RETURN weighed;
END
$$;

-- Enqueue a job with flow options. Tells whether it is a new one: a unique key may lead to an old one.
CREATE FUNCTION pgqueue.enqueue_with(
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
    flow           jsonb DEFAULT '{}'
) RETURNS TABLE (job_id bigint, created boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    checked jsonb := pgqueue.check_flow(enqueue_with.flow, enqueue_with.run_at);
    due     timestamptz := coalesce(enqueue_with.run_at, now());
    gated   boolean := pgqueue.is_gated(checked);
    own_id  bigint := nextval('pgqueue.job_id_seq');
    new_id  bigint := own_id;
    renews  boolean := false;
BEGIN
    IF pg_column_size(enqueue_with.args) > 800 THEN
        PERFORM pgqueue.check_args(enqueue_with.args, enqueue_with.max_args_bytes);
    END IF;
    IF checked ? 'unique' THEN
        SELECT k.job_id, k.replaces, coalesce(k.run_at, due) INTO new_id, renews, due
        FROM pgqueue.take_key(enqueue_with.task, checked -> 'unique', own_id) AS k;
        IF new_id <> own_id AND NOT renews THEN
            RETURN QUERY SELECT new_id, false;
            RETURN;
        END IF;
    END IF;
    IF renews THEN
        PERFORM pgqueue.replace_job(
            new_id, enqueue_with.args, enqueue_with.queue, enqueue_with.priority, due, enqueue_with.max_attempts,
            enqueue_with.timeout, enqueue_with.tags, enqueue_with.meta, checked);
    ELSE
        INSERT INTO pgqueue.job (id, task, args, queue, priority, run_at, ready_xid, blocked, max_attempts, timeout,
                                 tags, meta, flow)
        VALUES (new_id, enqueue_with.task, enqueue_with.args, enqueue_with.queue, enqueue_with.priority, due,
                CASE WHEN due <= now() AND gated IS NULL THEN pg_current_xact_id()::text::bigint END,
                CASE WHEN due <= now() THEN gated END,
                enqueue_with.max_attempts, enqueue_with.timeout, enqueue_with.tags, enqueue_with.meta,
                nullif(checked, '{}'));
    END IF;
    IF due > now() THEN
        IF due < clock_timestamp() + interval '10 seconds' THEN
            PERFORM pgqueue.ring(enqueue_with.queue, soon => true);
        END IF;
    ELSE
        IF gated THEN
            PERFORM pgqueue.line_up(ARRAY[new_id]);
        END IF;
        PERFORM pgqueue.ring(enqueue_with.queue);
    END IF;
    RETURN QUERY SELECT new_id, new_id = own_id;
END
$$;

-- The same for each job of an array as enqueue_many() takes it; one by one where there are unique keys,
-- because one job may hold the key of the next.
CREATE FUNCTION pgqueue.enqueue_many_with(jobs jsonb, max_args_bytes integer DEFAULT 1048576)
RETURNS TABLE (job_id bigint, created boolean)
LANGUAGE plpgsql AS $$
DECLARE
    one   jsonb;
    made  bigint[];
    gated bigint[];
BEGIN
    IF jobs @? '$[*].flow.unique' THEN
        FOR one IN SELECT element FROM jsonb_array_elements(jobs) AS element
        LOOP
            RETURN QUERY SELECT w.job_id, w.created
            FROM jsonb_to_record(one) AS given (
                task text, args jsonb, queue text, priority integer, run_at timestamptz, delay interval,
                max_attempts integer, timeout interval, tags text[], meta jsonb, flow jsonb),
            LATERAL pgqueue.enqueue_with(
                given.task, coalesce(given.args, '{}'), coalesce(given.queue, 'default'), coalesce(given.priority, 0),
                coalesce(given.run_at, now() + given.delay), coalesce(given.max_attempts, 20), given.timeout,
                given.tags, given.meta, enqueue_many_with.max_args_bytes, coalesce(given.flow, '{}')) AS w;
        END LOOP;
        RETURN;
    END IF;
    PERFORM pgqueue.check_args(job -> 'args', max_args_bytes)
    FROM jsonb_array_elements(jobs) AS job WHERE pg_column_size(job) > 800;
    WITH given AS MATERIALIZED (
        SELECT given.*, coalesce(given.run_at, now() + given.delay, now()) AS due,
               CASE WHEN given.flow IS NOT NULL
                    THEN pgqueue.check_flow(given.flow, coalesce(given.run_at, now() + given.delay)) END AS checked
        FROM ROWS FROM (
            jsonb_to_recordset(jobs) AS (
                task text, args jsonb, queue text, priority smallint, run_at timestamptz,
                delay interval, max_attempts smallint, timeout interval, tags text[], meta jsonb, flow jsonb)
        ) WITH ORDINALITY AS given(task, args, queue, priority, run_at, delay, max_attempts, timeout, tags, meta, flow,
                                   place)
    ), inserted AS (
        INSERT INTO pgqueue.job AS j (task, args, queue, priority, run_at, ready_xid, blocked, max_attempts, timeout,
                                      tags, meta, flow)
        SELECT given.task, coalesce(given.args, '{}'), coalesce(given.queue, 'default'), coalesce(given.priority, 0),
               given.due,
               CASE WHEN given.due <= now() AND pgqueue.is_gated(given.checked) IS NULL
                    THEN pg_current_xact_id()::text::bigint END,
               CASE WHEN given.due <= now() THEN pgqueue.is_gated(given.checked) END,
               coalesce(given.max_attempts, 20), given.timeout, given.tags, given.meta, nullif(given.checked, '{}')
        FROM given
        ORDER BY given.place
        RETURNING j.id, j.blocked
    )
    SELECT array_agg(i.id), array_agg(i.id) FILTER (WHERE i.blocked) INTO made, gated FROM inserted i;
    IF gated IS NOT NULL THEN
        PERFORM pgqueue.line_up(gated);
    END IF;
    PERFORM pgqueue.ring_for(jobs);
    RETURN QUERY SELECT id, true FROM unnest(made) AS id;
END
$$;
