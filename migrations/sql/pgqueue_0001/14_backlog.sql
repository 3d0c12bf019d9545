-- What waits in a queue: how much it is, whether that is too much, and who has waited for too long.

-- Jobs at the gate. No statement that names jobs by their ids says both parts of the predicate, and no other
-- index has this order, so each statement has one plan.
CREATE INDEX job_blocked ON pgqueue.job (queue, priority, id) WHERE ready_xid IS NULL AND blocked;

-- How many jobs of a queue wait for a worker or at the gate, counted up to most (NULL: all of them). It
-- begins at the end of the line: before its head there are the dead rows of jobs that are over, and where
-- there is too much to count the count ends before it comes to them.
CREATE FUNCTION pgqueue.backlog(queue text, most integer DEFAULT 10000) RETURNS integer
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (
        SELECT count(*) FROM (
            (SELECT FROM pgqueue.job ready
             WHERE ready.queue = backlog.queue AND ready.ready_xid IS NOT NULL AND ready.lease IS NULL
             ORDER BY ready.priority DESC, ready.ready_xid DESC, ready.id DESC
             LIMIT backlog.most)
            UNION ALL
            (SELECT FROM pgqueue.job gated
             WHERE gated.queue = backlog.queue AND gated.ready_xid IS NULL AND gated.blocked
             ORDER BY gated.priority, gated.id
             LIMIT backlog.most)
            LIMIT backlog.most
        ) AS waiting);
END
$$;

-- How many jobs of a queue a worker has, counted up to most (NULL: all of them). It walks the line, so it
-- takes the longer the more jobs wait.
CREATE FUNCTION pgqueue.running(queue text, most integer DEFAULT 10000) RETURNS integer
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (
        SELECT count(*) FROM (
            SELECT FROM pgqueue.job j
            WHERE j.queue = running.queue AND j.ready_xid IS NOT NULL AND j.lease IS NOT NULL
            ORDER BY j.priority, j.ready_xid, j.id
            LIMIT running.most
        ) AS held);
END
$$;

-- For producers: refuse to go on when the backlog of a queue is that deep already. A signal and no bound:
-- producers do not see what others have not committed.
CREATE FUNCTION pgqueue.refuse_above(queue text, depth integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(refuse_above.depth < 1, true) THEN
        RAISE EXCEPTION 'pgqueue: the depth of a backlog is at least 1, got %', coalesce(refuse_above.depth::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'To let nothing in, pause the producers instead.';
    END IF;
    IF pgqueue.backlog(refuse_above.queue, refuse_above.depth) >= refuse_above.depth THEN
        RAISE EXCEPTION 'pgqueue: queue "%" has a backlog of at least % jobs', refuse_above.queue, refuse_above.depth
            USING ERRCODE = 'PQ003', HINT = 'Enqueue later, or have more workers serve the queue.';
    END IF;
END
$$;

-- Ageing: a job that has waited for so long has the highest priority, and on the way there at least the
-- part of it that is due. NULL: jobs keep the priority that they were given.
CREATE FUNCTION pgqueue.set_ageing(queue text, ageing interval) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pgqueue.queue AS q (name, ageing) VALUES (set_ageing.queue, set_ageing.ageing)
    ON CONFLICT ON CONSTRAINT queue_pkey DO UPDATE SET ageing = excluded.ageing;
END
$$;

-- Raise the jobs of queues with ageing that have waited for long, line by line from above. Only who then
-- passes or joins somebody is raised: a line that nobody of higher priority holds up costs no writes.
-- Jobs keep their place, so claimers have to look again. Anybody may call it at any time.
CREATE FUNCTION pgqueue.age(max_jobs integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    lane    text;
    whole   double precision;
    nearest integer;
    oldest  bigint[];
    part    integer;
    raised  integer;
    total   integer := 0;
BEGIN
    FOR lane, whole IN
        SELECT q.name, extract(epoch FROM q.ageing) FROM pgqueue.queue q WHERE q.ageing IS NOT NULL
    LOOP
        nearest := NULL;
        raised := 0;
        FOR line IN REVERSE 10 .. -10
        LOOP
            IF nearest IS NOT NULL THEN
                oldest := ARRAY(
                    SELECT head.id
                    FROM (SELECT j.id, greatest(j.run_at, j.enqueued_at) AS since
                          FROM pgqueue.job j
                          WHERE j.queue = lane AND j.priority = line AND j.ready_xid IS NOT NULL AND j.lease IS NULL
                          ORDER BY j.ready_xid, j.id
                          LIMIT age.max_jobs) AS head
                    WHERE extract(epoch FROM now() - head.since) * 20 >= whole * (nearest + 10));
                part := CASE WHEN oldest <> '{}' THEN pgqueue.raise_aged(oldest, whole) ELSE 0 END;
                raised := raised + part;
            END IF;
            IF (SELECT j.id FROM pgqueue.job j
                WHERE j.queue = lane AND j.priority = line AND j.ready_xid IS NOT NULL AND j.lease IS NULL
                ORDER BY j.ready_xid, j.id LIMIT 1) IS NOT NULL THEN
                nearest := line;
            END IF;
        END LOOP;
        IF raised > 0 THEN
            PERFORM pgqueue.look_again(lane);
        END IF;
        total := total + raised;
    END LOOP;
    RETURN total;
END
$$;

-- What age() does with jobs that it found: those that are still ready and free get the priority that is due
-- to them, where whole seconds of waiting are worth the highest.
CREATE FUNCTION pgqueue.raise_aged(ids bigint[], whole double precision) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    raised integer;
BEGIN
    UPDATE pgqueue.job j
    SET priority = greatest(j.priority, least(10, floor(
            extract(epoch FROM now() - greatest(j.run_at, j.enqueued_at)) * 20 / raise_aged.whole) - 10))
    WHERE j.id = ANY (ARRAY(
        SELECT free.id FROM pgqueue.job free
        WHERE free.id = ANY (raise_aged.ids) AND coalesce(free.ready_xid, 0) > 0  -- IS NOT NULL would invite job_ready
          AND free.lease IS NULL
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS raised = ROW_COUNT;
    RETURN raised;
END
$$;
