-- The gate decides in one place, under one lock, who of those with flow options may run next. Its
-- statements never wait for a row that somebody else has locked: they leave it for a later look.

-- Wait for our turn at the gate. What is then read must be what others have just committed, so the snapshot
-- must not be older than the wait.
CREATE FUNCTION pgqueue.lock_gate() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'pgqueue: the gate works at the isolation level read committed only, this is %',
            current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'ALTER ROLE … SET default_transaction_isolation TO ''read committed'' for the role of the workers.';
    END IF;
    PERFORM pg_advisory_xact_lock(7078, 0);
END
$$;

-- Which plain jobs have to go to the gate from now on, by the rules and pauses of this moment.
CREATE FUNCTION pgqueue.plan_detours() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    needed text[];
BEGIN
    LOCK TABLE pgqueue.detour IN SHARE ROW EXCLUSIVE MODE;
    SELECT array_agg(d.name) INTO needed
    FROM (SELECT CASE WHEN r.name IN ('queue', 'task') THEN 'all' ELSE r.name END AS name FROM pgqueue.limit_rule r
          WHERE r.name ~ '^(queue|task)(:|$)'
          UNION SELECT p.kind || ':' || p.name FROM pgqueue.pause p WHERE p.kind IN ('task', 'tag')) AS d;
    DELETE FROM pgqueue.detour d WHERE needed IS NULL OR d.name <> ALL (needed);
    INSERT INTO pgqueue.detour (name) SELECT name FROM unnest(needed) AS name ON CONFLICT DO NOTHING;
END
$$;

-- Of the next jobs in line, send those to the gate that have to go there, and return the ids of the
-- others; a first id of 0 says that some were sent.
CREATE FUNCTION pgqueue.sift(
    queue text, max_jobs integer, unknown text[], around text[], priorities smallint[], after_xid bigint[],
    after_id bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    everything boolean := around && ARRAY['all', 'queue:' || sift.queue];
    tasks      text[] := ARRAY(SELECT substr(name, 6) FROM unnest(around) AS name WHERE name LIKE 'task:%');
    stopped    text[] := ARRAY(SELECT substr(name, 5) FROM unnest(around) AS name WHERE name LIKE 'tag:%');
    plain      bigint[];
    sent       bigint[];
BEGIN
    SELECT array_agg(line.id) FILTER (WHERE NOT line.goes), array_agg(line.id) FILTER (WHERE line.goes)
    INTO plain, sent
    FROM (
        SELECT next.id, everything OR next.task = ANY (tasks) OR coalesce(next.tags && stopped, false) AS goes
        FROM unnest(sift.priorities, sift.after_xid, sift.after_id) AS mark(priority, xid, id),
        LATERAL (
            SELECT c.id, c.task, c.tags
            FROM pgqueue.job c
            WHERE c.queue = sift.queue AND c.priority = mark.priority AND c.ready_xid IS NOT NULL
              AND (c.ready_xid, c.id) > (mark.xid, mark.id)
              AND c.lease IS NULL
              AND c.task <> ALL (sift.unknown)
            ORDER BY c.ready_xid, c.id
            LIMIT sift.max_jobs
            FOR UPDATE SKIP LOCKED
        ) AS next
        LIMIT sift.max_jobs
    ) AS line;
    IF sent IS NULL THEN
        RETURN coalesce(plain, '{}');
    END IF;
    UPDATE pgqueue.job j SET ready_xid = NULL, blocked = true WHERE j.id = ANY (sent);
    PERFORM pgqueue.line_up(sent);
    RETURN 0 || plain;
END
$$;

-- Have somebody look at the jobs that wait for a bucket or a pause, at this time at the latest.
CREATE FUNCTION pgqueue.look_at(blocker text, at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pgqueue.look l WHERE l.blocker = look_at.blocker AND l.at <= look_at.at) THEN
        INSERT INTO pgqueue.look (blocker, at) VALUES (look_at.blocker, look_at.at);
    END IF;
END
$$;

-- Have somebody look now, if anybody waits for the bucket.
CREATE FUNCTION pgqueue.look_soon(bucket text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pgqueue.gate g WHERE g.state = 'closed' AND g.blocker = look_soon.bucket) THEN
        PERFORM pgqueue.look_at(look_soon.bucket, clock_timestamp());
    END IF;
END
$$;

-- What is over since the last look: jobs that ended, failed, were snoozed, released or rescued. Their
-- places are free, and the next of their key may be picked.
CREATE FUNCTION pgqueue.settle() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    over  pgqueue.gate;
    still pgqueue.job;
    freed text;
BEGIN
    FOR freed IN
        WITH gone AS (
            DELETE FROM pgqueue.gate g
            WHERE g.job_id = ANY (ARRAY(
                SELECT dead.job_id FROM pgqueue.gate dead
                WHERE dead.state IN ('held', 'ended') AND dead.order_key IS NULL
                  AND NOT EXISTS (SELECT FROM pgqueue.job j WHERE j.id = dead.job_id)
                FOR UPDATE SKIP LOCKED))
            RETURNING g.buckets || ARRAY['queue:' || g.queue, 'task:' || g.task] AS buckets
        )
        SELECT DISTINCT bucket FROM gone, unnest(gone.buckets) AS bucket
    LOOP
        PERFORM pgqueue.look_soon(freed);
    END LOOP;
    FOR over IN
        SELECT g.* FROM pgqueue.gate g
        WHERE g.state IN ('held', 'ended')
          AND NOT EXISTS (SELECT FROM pgqueue.job j WHERE j.id = g.job_id AND j.lease = g.lease)
        FOR UPDATE SKIP LOCKED
    LOOP
        SELECT j.* INTO still FROM pgqueue.job j WHERE j.id = over.job_id;
        IF still.blocked AND still.lease IS NULL THEN
            UPDATE pgqueue.gate g SET state = 'open', lease = NULL WHERE g.job_id = over.job_id;
        ELSIF pgqueue.is_gated(still.flow) THEN
            UPDATE pgqueue.gate g SET state = 'away', lease = NULL WHERE g.job_id = over.job_id;
        ELSE
            DELETE FROM pgqueue.gate g WHERE g.job_id = over.job_id;
        END IF;
        IF over.order_key IS NOT NULL THEN
            PERFORM pgqueue.open_next(over.queue, over.order_key);
            PERFORM pgqueue.look_soon(bucket)
            FROM unnest(over.buckets || ARRAY['queue:' || over.queue, 'task:' || over.task]) AS bucket;
        END IF;
    END LOOP;
    FOR freed IN
        WITH gone AS (
            DELETE FROM pgqueue.slot s
            WHERE s.ctid = ANY (ARRAY(
                SELECT dead.ctid FROM pgqueue.slot dead
                WHERE CASE WHEN dead.job_id = 0 THEN dead.expires_at <= clock_timestamp()
                           ELSE NOT EXISTS (SELECT FROM pgqueue.job j
                                            WHERE j.id = dead.job_id AND j.lease = dead.lease) END
                FOR UPDATE SKIP LOCKED))
            RETURNING s.bucket
        )
        SELECT DISTINCT gone.bucket FROM gone
    LOOP
        PERFORM pgqueue.look_soon(freed);
    END LOOP;
END
$$;
