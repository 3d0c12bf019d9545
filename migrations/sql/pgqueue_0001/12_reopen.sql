-- Opening what was closed at the gate, and cancelling what waited too long.

-- Let the next closed job of a key be picked. Whether it is its turn is asked again when it is.
CREATE FUNCTION pgqueue.open_next(queue text, order_key text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE pgqueue.gate g SET state = 'open', blocker = NULL
    WHERE g.job_id = ANY (ARRAY(
        SELECT n.job_id FROM pgqueue.gate n
        WHERE n.queue = open_next.queue AND n.order_key = open_next.order_key
          AND n.state = 'closed' AND n.blocker = 'order'
        ORDER BY n.job_id LIMIT 1
        FOR UPDATE SKIP LOCKED));
END
$$;

-- Open up to so many jobs of each queue that wait for a blocker, tenants in turn, and ring there. More than
-- can run do no harm: they are closed again. Fewer would, where nobody serves the queue of those opened.
-- Of many tenants it reads some jobs each, so that it takes the same time however many wait; of more than a
-- thousand, the next thousand each time.
CREATE FUNCTION pgqueue.open_closed(blocker text, most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    lanes      text[];
    ended      record;
    stop_queue text;
    stop_key   text;
BEGIN
    SELECT b.last_queue AS queue, b.last_key AS fair_key INTO ended
    FROM pgqueue.bucket b WHERE b.name = open_closed.blocker;
    WITH RECURSIVE lane AS (
        (SELECT g.queue, g.fair_key, 1 AS number FROM pgqueue.gate g
         WHERE g.state = 'closed' AND g.blocker = open_closed.blocker
           AND (ended.queue IS NULL OR (g.queue, g.fair_key) > (ended.queue, ended.fair_key))
         ORDER BY g.queue, g.fair_key LIMIT 1)
        UNION ALL
        SELECT following.queue, following.fair_key, lane.number + 1
        FROM lane, LATERAL (
            SELECT g.queue, g.fair_key FROM pgqueue.gate g
            WHERE g.state = 'closed' AND g.blocker = open_closed.blocker
              AND (g.queue, g.fair_key) > (lane.queue, lane.fair_key)
            ORDER BY g.queue, g.fair_key LIMIT 1
        ) AS following
        WHERE lane.number < 1000
    ), head AS (
        SELECT first.job_id, row_number() OVER (
                   PARTITION BY lane.queue
                   ORDER BY greatest(s.served, far.served, 0) + first.turn / coalesce(w.weight, 1)::double precision,
                            first.priority DESC, first.job_id) AS place
        FROM lane
        LEFT JOIN pgqueue.share s ON s.queue = lane.queue AND s.fair_key = lane.fair_key
        LEFT JOIN pgqueue.fair_weight w ON w.queue = lane.queue AND w.fair_key = lane.fair_key
        LEFT JOIN pgqueue.fair_line far ON far.queue = lane.queue,
        LATERAL (
            SELECT g.job_id, g.priority, row_number() OVER (ORDER BY g.priority DESC, g.job_id) - 1 AS turn
            FROM pgqueue.gate g
            WHERE g.state = 'closed' AND g.blocker = open_closed.blocker
              AND g.queue = lane.queue AND g.fair_key = lane.fair_key
            ORDER BY g.priority DESC, g.job_id
            LIMIT least(open_closed.most, (SELECT 1 + 10000 / count(*) FROM lane))
        ) AS first
    ), opened AS (
        UPDATE pgqueue.gate g SET state = 'open', blocker = NULL
        WHERE g.job_id = ANY (ARRAY(
            SELECT free.job_id FROM pgqueue.gate free
            WHERE free.job_id = ANY (ARRAY(SELECT head.job_id FROM head WHERE head.place <= open_closed.most))
            FOR UPDATE SKIP LOCKED))
        RETURNING g.queue
    )
    SELECT (SELECT array_agg(opened.queue) FROM opened),
           (SELECT l.queue FROM lane l WHERE l.number = 1000), (SELECT l.fair_key FROM lane l WHERE l.number = 1000)
    INTO lanes, stop_queue, stop_key;
    IF stop_queue IS NOT NULL OR ended.queue IS NOT NULL THEN
        INSERT INTO pgqueue.bucket (name, last_queue, last_key) VALUES (open_closed.blocker, stop_queue, stop_key)
        ON CONFLICT (name) DO UPDATE SET last_queue = excluded.last_queue, last_key = excluded.last_key;
        IF lanes IS NULL AND stop_queue IS NULL THEN
            RETURN pgqueue.open_closed(open_closed.blocker, most);  -- from the beginning again
        END IF;
    END IF;
    PERFORM pgqueue.ring(lane.name) FROM (SELECT DISTINCT name FROM unnest(lanes) AS name) AS lane;
    RETURN coalesce(cardinality(lanes), 0);
END
$$;

-- How many of the jobs that wait for a limit or a pause may be opened: at most a thousand. Where the newest
-- takes the place of others, all have to be looked at to find it.
CREATE FUNCTION pgqueue.room_for(blocker text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    rule pgqueue.limit_rule := pgqueue.rule_of(blocker);
    room pgqueue.room;
BEGIN
    IF blocker LIKE 'pause %' THEN
        RETURN CASE WHEN EXISTS (
            SELECT FROM pgqueue.pause p
            WHERE 'pause ' || p.kind || ':' || p.name = blocker AND coalesce(p.until > clock_timestamp(), true)
        ) THEN 0 ELSE 1000 END;
    END IF;
    room := pgqueue.room_of(blocker, rule);
    IF room.places > 0 AND rule.when_full = 'cancel_running' THEN
        room.places := 1000;
    END IF;
    RETURN least(room.places, CASE WHEN room.tokens IS NOT NULL THEN greatest(floor(room.tokens), 1) END, 1000);
END
$$;

-- Which blockers of this name, or buckets of this limit, have closed jobs, and in which queues.
CREATE FUNCTION pgqueue.closed_by(name text) RETURNS TABLE (blocker text, queue text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE line AS (
        (SELECT g.blocker, g.queue FROM pgqueue.gate g
         WHERE g.state = 'closed' AND g.blocker >= closed_by.name
         ORDER BY g.blocker, g.queue LIMIT 1)
        UNION ALL
        SELECT following.blocker, following.queue
        FROM line, LATERAL (
            SELECT g.blocker, g.queue FROM pgqueue.gate g
            WHERE g.state = 'closed' AND (g.blocker, g.queue) > (line.blocker, line.queue)
            ORDER BY g.blocker, g.queue LIMIT 1
        ) AS following
        WHERE line.blocker = closed_by.name OR starts_with(line.blocker, closed_by.name || ':')
    )
    SELECT line.blocker, line.queue FROM line
    WHERE line.blocker = closed_by.name OR starts_with(line.blocker, closed_by.name || ':');
END
$$;

-- Look at the blockers whose time has come, and open as many of their jobs as there is room for. While some
-- stay closed although there was room, look again: those opened may belong to nobody who works. Where there
-- was none, look again, too: who had it may have ended where nobody looks.
CREATE FUNCTION pgqueue.reopen() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    due    text;
    most   integer;
    opened integer;
BEGIN
    FOR due IN
        WITH taken AS (
            DELETE FROM pgqueue.look l
            WHERE l.ctid = ANY (ARRAY(
                SELECT free.ctid FROM pgqueue.look free
                WHERE free.at <= clock_timestamp()
                ORDER BY free.at LIMIT 100
                FOR UPDATE SKIP LOCKED))
            RETURNING l.blocker
        )
        SELECT DISTINCT c.blocker FROM (SELECT DISTINCT taken.blocker FROM taken) AS named,
        LATERAL pgqueue.closed_by(named.blocker) AS c
    LOOP
        UPDATE pgqueue.bucket b SET kept_until = NULL WHERE b.name = due AND b.kept_until IS NOT NULL;
        most := pgqueue.room_for(due);
        IF due LIKE 'pause %' AND most < 1 THEN
            PERFORM pgqueue.look_at(due, p.until) FROM pgqueue.pause p
            WHERE 'pause ' || p.kind || ':' || p.name = due AND p.until IS NOT NULL;
        ELSIF most < 1 THEN
            PERFORM pgqueue.look_at(due, clock_timestamp() + interval '2 seconds');
        ELSE
            opened := pgqueue.open_closed(due, most);
            IF EXISTS (SELECT FROM pgqueue.gate g WHERE g.state = 'closed' AND g.blocker = due) THEN
                PERFORM pgqueue.look_at(
                    due, clock_timestamp() + CASE WHEN opened < 1000 THEN interval '1 second' ELSE interval '0' END);
            END IF;
        END IF;
    END LOOP;
END
$$;

-- Cancel jobs at the gate whose time to start is over.
CREATE FUNCTION pgqueue.expire(max_jobs integer DEFAULT 100) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    late    bigint;
    expired integer := 0;
BEGIN
    FOR late IN
        SELECT g.job_id FROM pgqueue.gate g
        WHERE g.expires_at <= now() AND g.state IN ('open', 'closed')
        ORDER BY g.expires_at LIMIT max_jobs
        FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM FROM pgqueue.job j
        WHERE j.id = late AND j.blocked AND j.lease IS NULL AND j.started_at IS NULL FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            PERFORM pgqueue.bury(late, NULL, 'cancelled', 'it expired before it started');
            expired := expired + 1;
        END IF;
    END LOOP;
    RETURN expired;
END
$$;
