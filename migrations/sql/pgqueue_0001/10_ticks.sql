-- Ticks: what makes jobs of schedules that are due, each once.

-- The job of a schedule whose row is locked, for a tick or for none. It carries both in its meta.
CREATE FUNCTION pgqueue.enqueue_for(due pgqueue.schedule, tick timestamptz)
RETURNS TABLE (job_id bigint, created boolean)
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
BEGIN
    RETURN QUERY SELECT w.job_id, w.created FROM pgqueue.enqueue_with(
        task => due.task, args => due.args, queue => due.queue, priority => due.priority,
        -- The same tick gets the same delay, whoever works it out.
        run_at => tick + due.jitter * ((hashtext(due.name || extract(epoch FROM tick)) & 65535) / 65536.0),
        max_attempts => due.max_attempts, timeout => due.timeout, tags => due.tags,
        meta => coalesce(due.meta, '{}') || jsonb_build_object('schedule', due.name, 'tick', tick),
        flow => CASE WHEN due.overlap = 'queue'
                THEN coalesce(due.flow, '{}') || jsonb_build_object(
                    'order_key', 'schedule ' || CASE WHEN octet_length(due.name) < 190 THEN due.name ELSE md5(due.name) END)
                ELSE coalesce(due.flow, '{}') END,
        max_args_bytes => 2147483647) AS w;
END
$$;

-- Make a job of a schedule now, outside of its ticks, whatever its state. No row: there is no such schedule.
CREATE FUNCTION pgqueue.run_schedule(name text) RETURNS TABLE (job_id bigint, created boolean)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    due pgqueue.schedule;
BEGIN
    SELECT s.* INTO due FROM pgqueue.schedule s WHERE s.name = run_schedule.name FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT made.* INTO job_id, created FROM pgqueue.enqueue_for(due, NULL) AS made;
    IF created THEN
        UPDATE pgqueue.schedule s SET jobs = pgqueue.live_jobs(due.jobs) || job_id WHERE s.name = run_schedule.name;
    END IF;
    RETURN NEXT;
END
$$;

-- Those of these jobs that are not finished, 100 at most, the newest last.
CREATE FUNCTION pgqueue.live_jobs(ids bigint[]) RETURNS bigint[]
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    RETURN ARRAY(
        SELECT id FROM unnest(ids[greatest(1, cardinality(ids) - 99):]) WITH ORDINALITY AS given(id, place)
        WHERE EXISTS (SELECT FROM pgqueue.job j WHERE j.id = given.id)
        ORDER BY place);
END
$$;

-- What there is to tick for whoever knows these tasks: up to 1000 schedules that are due or whose first tick
-- is not worked out yet, and the next one that is not due. "now" is the clock that counts.
CREATE FUNCTION pgqueue.due_schedules(tasks text[])
RETURNS TABLE (
    name text, task text, cron text, every interval, at timestamptz, timezone text, missed text,
    most_missed integer, since timestamptz, next_at timestamptz, created_at timestamptz,
    changed_at timestamptz, "now" timestamptz
)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT found.name, found.task, found.cron, found.every, found.at, found.timezone, found.missed,
           found.most_missed, found.since, found.next_at, found.created_at, found.changed_at, pg_catalog.now()
    FROM (
        (SELECT s.* FROM pgqueue.schedule s
         WHERE s.paused_at IS NULL AND s.ended_at IS NULL AND s.error IS NULL AND s.task = ANY (tasks)
           AND s.next_at <= pg_catalog.now()
         ORDER BY s.next_at LIMIT 1000)
        UNION ALL
        (SELECT s.* FROM pgqueue.schedule s
         WHERE s.paused_at IS NULL AND s.ended_at IS NULL AND s.error IS NULL AND s.task = ANY (tasks)
           AND s.next_at IS NULL
         LIMIT 1000)
        UNION ALL
        (SELECT s.* FROM pgqueue.schedule s
         WHERE s.paused_at IS NULL AND s.ended_at IS NULL AND s.error IS NULL AND s.task = ANY (tasks)
           AND s.next_at > pg_catalog.now()
         ORDER BY s.next_at LIMIT 1)
    ) AS found;
END
$$;

-- Do what is due of one schedule: a job for each of the ticks, and the place of the next one, in one
-- transaction. expected and changed_at are what due_schedules told: if the schedule has moved or was changed
-- since, or somebody works on it now, nothing is done. dropped is the last of the ticks that are left out.
-- next_at is NULL when there will be no more. Returns whether it was done, by a row without a tick, and
-- before it what became of each tick.
CREATE FUNCTION pgqueue.tick(
    name text, changed_at timestamptz, expected timestamptz, ticks timestamptz[], next_at timestamptz,
    dropped timestamptz DEFAULT NULL
) RETURNS TABLE (at timestamptz, job_id bigint, note text)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET timezone = 'UTC' AS $$
DECLARE
    due  pgqueue.schedule;
    live bigint[];
    made boolean;
BEGIN
    SELECT s.* INTO due FROM pgqueue.schedule s
    WHERE s.name = tick.name AND s.changed_at = tick.changed_at AND s.next_at IS NOT DISTINCT FROM tick.expected
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR EXISTS (SELECT FROM unnest(ticks) AS early WHERE early > clock_timestamp()) THEN
        RETURN;
    END IF;
    live := pgqueue.live_jobs(due.jobs);
    IF dropped IS NOT NULL THEN
        INSERT INTO pgqueue.tick (schedule, tick, note)
        VALUES (due.name, dropped, 'missed' || CASE WHEN dropped > expected THEN ', as all since ' || expected ELSE '' END)
        ON CONFLICT DO NOTHING;
    END IF;
    FOREACH at IN ARRAY ticks LOOP
        INSERT INTO pgqueue.tick (schedule, tick) VALUES (due.name, at) ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        IF due.overlap = 'skip' AND cardinality(live) > 0 THEN
            job_id := NULL;
            note := 'skipped: job ' || live[1] || ' was not finished';
        ELSE
            SELECT w.job_id, w.created INTO job_id, made FROM pgqueue.enqueue_for(due, at) AS w;
            IF made THEN
                note := NULL;
                live := live || job_id;
            ELSE
                note := 'job ' || job_id || ' has its unique key';
                job_id := NULL;
            END IF;
        END IF;
        UPDATE pgqueue.tick AS t SET job_id = tick.job_id, note = tick.note WHERE t.schedule = due.name AND t.tick = at;
        RETURN NEXT;
    END LOOP;
    UPDATE pgqueue.schedule AS s
    SET next_at = tick.next_at,
        ended_at = CASE WHEN tick.next_at IS NULL THEN now() END,
        last_tick = greatest(s.last_tick, dropped, ticks[cardinality(ticks)]),
        jobs = CASE WHEN cardinality(live) > 0 THEN live ELSE s.jobs[cardinality(s.jobs):] END
    WHERE s.name = due.name;
    at := NULL;
    job_id := NULL;
    note := NULL;
    RETURN NEXT;
END
$$;

-- Take a schedule that cannot be understood out of the way of the others, and say why.
CREATE FUNCTION pgqueue.break_schedule(name text, changed_at timestamptz, error text) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    UPDATE pgqueue.schedule s SET error = break_schedule.error
    WHERE s.name = ANY (ARRAY(
        SELECT b.name FROM pgqueue.schedule b
        WHERE b.name = break_schedule.name AND b.changed_at = break_schedule.changed_at AND b.error IS NULL
        FOR UPDATE SKIP LOCKED));
    RETURN FOUND;
END
$$;

-- Ticks older than a week go, but not the last one of a schedule; so do one-offs a month after their end,
-- unless the code still declares them, for it would make them anew. Returns how many rows went.
CREATE FUNCTION pgqueue.prune_schedules(max_rows integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    part  integer;
    total integer := 0;
BEGIN
    DELETE FROM pgqueue.tick t WHERE (t.schedule, t.tick) IN (
        SELECT old.schedule, old.tick FROM pgqueue.tick old
        WHERE old.made_at < now() - interval '7 days'
          AND NOT EXISTS (SELECT FROM pgqueue.schedule s WHERE s.name = old.schedule AND s.last_tick <= old.tick)
        LIMIT max_rows FOR UPDATE OF old SKIP LOCKED);
    GET DIAGNOSTICS total = ROW_COUNT;
    DELETE FROM pgqueue.schedule s WHERE s.name = ANY (ARRAY(
        SELECT old.name FROM pgqueue.schedule old
        WHERE old.ended_at < now() - interval '30 days' AND NOT old.declared
        LIMIT max_rows FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS part = ROW_COUNT;
    RETURN total + part;
END
$$;

CREATE VIEW pgqueue.schedules AS
SELECT s.name, s.task,
       CASE WHEN s.error IS NOT NULL THEN 'broken'
            WHEN s.paused_at IS NOT NULL THEN 'paused'
            WHEN s.ended_at IS NOT NULL THEN 'done'
            ELSE 'active' END AS state,
       s.cron, s.every, s.at, s.timezone,
       CASE WHEN s.paused_at IS NULL AND s.error IS NULL THEN s.next_at END AS next_tick,
       s.last_tick,
       s.jobs[cardinality(s.jobs)] AS last_job_id,
       (SELECT j.state FROM pgqueue.jobs j WHERE j.id = s.jobs[cardinality(s.jobs)] LIMIT 1) AS last_job_state,
       EXISTS (SELECT FROM pgqueue.worker w
               WHERE s.task = ANY (w.tasks) AND w.seen_at + w.lease_for >= now()) AS known,
       s.args, s.queue, s.priority, s.max_attempts, s.timeout, s.tags, s.meta, s.flow, s.missed, s.most_missed,
       s.overlap, s.jitter, s.declared, s.error, s.paused_at, s.paused_by, s.pause_reason, s.created_at, s.changed_at
FROM pgqueue.schedule s;
