-- Uniqueness. A key names the job that took it, and counts only while it holds, which is derived from that
-- job's own row and from a time. So nothing has to give a key back: not a completion, not a crash.

-- Who took a key last. Keys of different tasks have nothing to do with each other.
CREATE TABLE pgqueue.unique_key (
    task       text NOT NULL
        CONSTRAINT "task name has 1 to 200 bytes" CHECK (octet_length(task) BETWEEN 1 AND 200),
    key        text NOT NULL
        CONSTRAINT "unique key has 1 to 200 bytes" CHECK (octet_length(key) BETWEEN 1 AND 200),
    job_id     bigint NOT NULL,
    held_while text
        CONSTRAINT "a key is held while queued or unfinished" CHECK (held_while IN ('queued', 'unfinished')),
    until      timestamptz
        CONSTRAINT "a key is held while its job lives, or for a time"
        CHECK (held_while IS NOT NULL OR until IS NOT NULL),
    first_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (task, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX unique_key_until ON pgqueue.unique_key (until) WHERE until IS NOT NULL;

-- Whether a key still counts. The last two tell of its job: NULL unless it is live, and when it was first
-- claimed. An attempt that did not count (snooze, release) leaves started_at, so "queued" ends once.
CREATE FUNCTION pgqueue.key_holds(held_while text, until timestamptz, live_id bigint, started_at timestamptz)
RETURNS boolean
LANGUAGE sql PARALLEL SAFE AS $$
    SELECT coalesce(until > clock_timestamp(), false)
        OR coalesce(live_id IS NOT NULL
                    AND (held_while = 'unfinished' OR held_while = 'queued' AND started_at IS NULL), false)
$$;

-- Check what an enqueuer says about uniqueness, and fill in what he left out.
CREATE FUNCTION pgqueue.check_unique(given jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    stated  jsonb := jsonb_strip_nulls(given);
    checked jsonb := '{"on_conflict": "skip"}';
    bad     text;
BEGIN
    IF jsonb_typeof(stated) IS DISTINCT FROM 'object' OR jsonb_typeof(stated -> 'key') IS DISTINCT FROM 'string'
       OR octet_length(stated ->> 'key') NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION 'pgqueue: unique is a JSON object with a key, a string of 1 to 200 bytes'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'For example: ''{"key": "account 42", "while": "queued", "on_conflict": "replace"}''';
    END IF;
    SELECT key INTO bad FROM jsonb_object_keys(stated) AS key
    WHERE key NOT IN ('key', 'while', 'for', 'on_conflict', 'delay', 'longest') LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'pgqueue: unique has no field "%"', bad
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Fields: key, while, for, on_conflict, delay, longest.';
    END IF;
    IF NOT stated ?| '{while,for}' THEN
        checked := checked || '{"while": "unfinished"}';
    END IF;
    checked := checked || stated;
    IF checked ->> 'while' NOT IN ('queued', 'unfinished')
       OR checked ->> 'on_conflict' NOT IN ('skip', 'replace', 'raise') THEN
        RAISE EXCEPTION 'pgqueue: while is "queued" or "unfinished", on_conflict is "skip", "replace" or "raise"'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Without them: unfinished, skip.';
    END IF;
    SELECT t.key INTO bad FROM jsonb_each_text(checked) AS t
    WHERE t.key IN ('for', 'delay', 'longest')
      AND t.value::interval NOT BETWEEN interval '1 microsecond' AND interval '1000 years' LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'pgqueue: % is longer than zero, at most 1000 years', bad
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example: "5 minutes".';
    END IF;
    IF checked ?| '{delay,longest}'
       AND (NOT checked @> '{"while": "queued", "on_conflict": "replace"}' OR NOT checked ? 'delay'
            OR coalesce((checked ->> 'longest')::interval < (checked ->> 'delay')::interval, false)) THEN
        RAISE EXCEPTION 'pgqueue: delay goes with while queued and on_conflict replace; longest is not less'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'For example: ''{"key": "k", "while": "queued", "on_conflict": "replace", '
                         '"delay": "5 seconds", "longest": "1 minute"}''';
    END IF;
    RETURN checked;
END
$$;

-- Take a key for a job, or tell which other job has it. Who finds it held needs no lock; who finds it free
-- or gone stale holds its row until his transaction ends, and others wait. Each look is a statement of its
-- own: after a wait for another's commit only a new snapshot shows what that did. Where the snapshot is
-- that of the whole transaction, PostgreSQL answers 40001 to every write that would follow from an old one.
-- To replace a job its row is locked, so that nobody claims it meanwhile; after the key's, since who finds
-- the job claimed keeps both locks, and goes on.
CREATE FUNCTION pgqueue.take_key(task text, wanted jsonb, taker bigint)
RETURNS TABLE (job_id bigint, replaces boolean, run_at timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    period interval := wanted ->> 'for';
    delay  interval := wanted ->> 'delay';
    locked boolean := false;
    holder record;
BEGIN
    LOOP
        INSERT INTO pgqueue.unique_key (task, key, job_id, held_while, until)
        VALUES (take_key.task, wanted ->> 'key', taker, wanted ->> 'while', clock_timestamp() + period)
        ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
        SELECT k.job_id, k.first_at, j.id IS NOT NULL AND j.started_at IS NULL AS waits,
               pgqueue.key_holds(k.held_while, k.until, j.id, j.started_at) AS holds
        INTO holder
        FROM pgqueue.unique_key k LEFT JOIN pgqueue.job j ON j.id = k.job_id
        WHERE k.task = take_key.task AND k.key = wanted ->> 'key';
        IF holder.holds AND holder.job_id <> taker THEN
            IF wanted ->> 'on_conflict' = 'raise' THEN
                RAISE EXCEPTION 'pgqueue: job % of task % has this unique key', holder.job_id, take_key.task
                    USING ERRCODE = 'PQ002', HINT = 'on_conflict "skip" returns its id instead.';
            END IF;
            replaces := wanted ->> 'on_conflict' = 'replace' AND holder.waits;
            IF locked OR NOT replaces THEN
                IF replaces THEN
                    PERFORM FROM pgqueue.job j WHERE j.id = holder.job_id AND j.started_at IS NULL FOR UPDATE;
                    CONTINUE WHEN NOT FOUND;
                END IF;
                job_id := holder.job_id;
                run_at := least(clock_timestamp() + delay, holder.first_at + (wanted ->> 'longest')::interval);
                RETURN NEXT;
                RETURN;
            END IF;
        ELSIF locked THEN
            UPDATE pgqueue.unique_key k
            SET job_id = taker, held_while = wanted ->> 'while', until = clock_timestamp() + period,
                first_at = clock_timestamp()
            WHERE k.task = take_key.task AND k.key = wanted ->> 'key';
            EXIT;
        END IF;
        PERFORM FROM pgqueue.unique_key k WHERE k.task = take_key.task AND k.key = wanted ->> 'key' FOR UPDATE;
        locked := FOUND;
    END LOOP;
    job_id := taker;
    replaces := false;
    run_at := clock_timestamp() + delay;
    RETURN NEXT;
END
$$;

-- Give a job that was never claimed, and whose row is locked, all that a new one would have had but its id.
-- Where it is ready and stays in its lane it keeps its place in line, or a busy key would never get its
-- turn; a claimer that passed it by meanwhile finds it at its next full scan. At the gate it stays where its
-- options are the same: line_up() does the rest. Otherwise it comes away, to be promoted as it is now, so
-- that nobody who is about to pick it by its old options finds it blocked; and the next of its key is opened.
CREATE FUNCTION pgqueue.replace_job(
    id bigint, args jsonb, queue text, priority integer, run_at timestamptz, max_attempts integer, timeout interval,
    tags text[], meta jsonb, flow jsonb
) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    beside constant text[] := '{unique,expires_at,retry_until}';
    is_due boolean := replace_job.run_at <= now();
    gated  boolean := pgqueue.is_gated(replace_job.flow);
    before pgqueue.job;
    stays  boolean;
    turn   text;
BEGIN
    SELECT j.* INTO before FROM pgqueue.job j WHERE j.id = replace_job.id;
    stays := before.blocked AND is_due AND gated AND before.queue = replace_job.queue
             AND before.tags IS NOT DISTINCT FROM replace_job.tags
             AND before.flow - beside = replace_job.flow - beside;
    UPDATE pgqueue.job j
    SET args = replace_job.args, queue = replace_job.queue, priority = replace_job.priority,
        run_at = replace_job.run_at, max_attempts = replace_job.max_attempts, timeout = replace_job.timeout,
        tags = replace_job.tags, meta = replace_job.meta, flow = replace_job.flow,
        blocked = CASE WHEN stays OR before.blocked IS NULL AND is_due AND gated THEN true END,
        ready_xid = CASE
            WHEN NOT is_due OR gated THEN NULL
            WHEN j.queue = replace_job.queue AND j.priority = replace_job.priority AND j.ready_xid IS NOT NULL
            THEN j.ready_xid
            ELSE pg_current_xact_id()::text::bigint END
    WHERE j.id = replace_job.id;
    IF before.blocked AND stays IS NOT TRUE THEN
        DELETE FROM pgqueue.gate g WHERE g.job_id = replace_job.id RETURNING g.order_key INTO turn;
        PERFORM pgqueue.open_next(before.queue, turn);
        PERFORM pgqueue.ring(before.queue, soon => true);
    END IF;
END
$$;

-- A dead or cancelled job that is to run again takes its key again. False: another job has it.
CREATE FUNCTION pgqueue.retake_key(id bigint) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    dead pgqueue.job_dead;
BEGIN
    SELECT d.* INTO dead FROM pgqueue.job_dead d WHERE d.id = retake_key.id AND d.flow ? 'unique' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    RETURN (SELECT k.job_id = dead.id
            FROM pgqueue.take_key(dead.task, dead.flow -> 'unique' || '{"on_conflict": "skip"}', dead.id) AS k);
END
$$;

-- Remove keys that do not count any longer: those whose time is over by their index, and others from pages
-- taken at random, as many as that many rows should need. They are locked first, and looked at again under
-- the lock: somebody may have taken one between this transaction's first look and its lock.
CREATE FUNCTION pgqueue.prune_keys(max_rows integer) RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    pages real := greatest(pg_relation_size('pgqueue.unique_key') / current_setting('block_size')::integer, 1);
    stale tid[];
    total integer;
BEGIN
    stale := ARRAY(
        SELECT k.ctid FROM pgqueue.unique_key k LEFT JOIN pgqueue.job j ON j.id = k.job_id
        WHERE k.until <= clock_timestamp() AND NOT pgqueue.key_holds(k.held_while, k.until, j.id, j.started_at)
        ORDER BY k.until LIMIT 10 * max_rows
        FOR UPDATE OF k SKIP LOCKED
    ) || ARRAY(
        SELECT k.ctid
        FROM pgqueue.unique_key k TABLESAMPLE SYSTEM (least(100, 20 * greatest(max_rows, 5) / pages))
        LEFT JOIN pgqueue.job j ON j.id = k.job_id
        WHERE k.until IS NULL AND NOT pgqueue.key_holds(k.held_while, k.until, j.id, j.started_at)
        LIMIT 10 * max_rows
        FOR UPDATE OF k SKIP LOCKED
    );
    DELETE FROM pgqueue.unique_key gone
    WHERE gone.ctid = ANY (ARRAY(
        SELECT k.ctid FROM pgqueue.unique_key k LEFT JOIN pgqueue.job j ON j.id = k.job_id
        WHERE k.ctid = ANY (stale) AND NOT pgqueue.key_holds(k.held_while, k.until, j.id, j.started_at)));
    GET DIAGNOSTICS total = ROW_COUNT;
    RETURN total;
END
$$;
