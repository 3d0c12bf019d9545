-- Schedules make jobs at set times. There is no leader: any worker that knows a schedule's task works out
-- its ticks and calls tick(), which refuses what another one has done. NULL in next_at means that the first
-- tick after "since" has still to be worked out.
CREATE TABLE pgqueue.schedule (
    name         text PRIMARY KEY
        CONSTRAINT "schedule name has 1 to 200 bytes" CHECK (octet_length(name) BETWEEN 1 AND 200),
    task         text NOT NULL
        CONSTRAINT "task name has 1 to 200 bytes" CHECK (octet_length(task) BETWEEN 1 AND 200),
    args         jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT "args is a JSON object" CHECK (jsonb_typeof(args) = 'object'),
    queue        text NOT NULL DEFAULT 'default'
        CONSTRAINT "queue name has 1 to 100 bytes" CHECK (octet_length(queue) BETWEEN 1 AND 100),
    priority     smallint NOT NULL DEFAULT 0
        CONSTRAINT "priority lies between -10 and 10" CHECK (priority BETWEEN -10 AND 10),
    max_attempts smallint NOT NULL DEFAULT 20
        CONSTRAINT "max_attempts lies between 1 and 1000" CHECK (max_attempts BETWEEN 1 AND 1000),
    timeout      interval
        CONSTRAINT "timeout is longer than zero" CHECK (timeout > interval '0'),
    tags         text[],
    meta         jsonb
        CONSTRAINT "meta is a JSON object" CHECK (jsonb_typeof(meta) = 'object'),
    flow         jsonb
        CONSTRAINT "overlap queue and order_key exclude each other"
        CHECK (overlap <> 'queue' OR NOT coalesce(flow ? 'order_key', false))
        CONSTRAINT "the unique key of a scheduled job raises nothing"
        CHECK (flow #>> '{unique,on_conflict}' <> 'raise')
        CONSTRAINT "a scheduled job expires after a time, not at one" CHECK (NOT flow ? 'expires_at'),
    cron         text
        CONSTRAINT "cron has 1 to 200 bytes" CHECK (octet_length(cron) BETWEEN 1 AND 200),
    every        interval
        CONSTRAINT "every is 1 second to 1000 years, without months"
        CHECK (every >= interval '1 second' AND every <= interval '365000 days'
               AND extract(year FROM every) = 0 AND extract(month FROM every) = 0),
    at           timestamptz
        CONSTRAINT "at lies between the years 2 and 9998"
        CHECK (at >= '0002-01-01 00:00:00+00' AND at < '9999-01-01 00:00:00+00'),
    timezone     text NOT NULL DEFAULT 'UTC'
        CONSTRAINT "timezone has 1 to 100 bytes" CHECK (octet_length(timezone) BETWEEN 1 AND 100),
    jitter       interval NOT NULL DEFAULT interval '0'
        CONSTRAINT "jitter lies between zero and a day"
        CHECK (jitter >= interval '0' AND jitter <= interval '1 day')
        CONSTRAINT "jitter is shorter than every" CHECK (jitter < every),
    missed       text NOT NULL DEFAULT 'latest'
        CONSTRAINT "missed is skip, latest or all" CHECK (missed IN ('skip', 'latest', 'all')),
    most_missed  integer NOT NULL DEFAULT 100
        CONSTRAINT "most_missed lies between 1 and 10000" CHECK (most_missed BETWEEN 1 AND 10000),
    overlap      text NOT NULL DEFAULT 'allow'
        CONSTRAINT "overlap is allow, skip or queue" CHECK (overlap IN ('allow', 'skip', 'queue')),
    declared     boolean NOT NULL DEFAULT false,
    paused_at    timestamptz,
    paused_by    text,
    pause_reason text,
    since        timestamptz NOT NULL DEFAULT now(),
    next_at      timestamptz,
    last_tick    timestamptz,
    ended_at     timestamptz,
    jobs         bigint[] NOT NULL DEFAULT '{}',
    error        text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT "a schedule has one of cron, every and at" CHECK (num_nonnulls(cron, every, at) = 1)
) WITH (fillfactor = 50);
CREATE INDEX schedule_next ON pgqueue.schedule (next_at NULLS FIRST)
    WHERE paused_at IS NULL AND ended_at IS NULL AND error IS NULL;

-- What became of each tick. The primary key is what makes a tick happen once.
CREATE TABLE pgqueue.tick (
    schedule text NOT NULL,
    tick     timestamptz NOT NULL,
    job_id   bigint,
    note     text,
    made_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schedule, tick)
);
CREATE INDEX tick_made ON pgqueue.tick (made_at);

-- Whether a live worker declares a schedule as it is: for this queue.
CREATE FUNCTION pgqueue.is_declared(found pgqueue.schedule) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pgqueue.worker w
                   WHERE w.schedules ->> found.name = found.queue AND w.seen_at + w.lease_for >= now())
$$;

-- Whose a schedule is, when it may not become one of this task in this queue; NULL when it may. A declared
-- schedule belongs to the code. Code takes over what was made at run time for the same task, and what was
-- declared for another queue once nobody declares it: another application may have a task of that name, and
-- the next release may have moved the task.
CREATE FUNCTION pgqueue.schedule_owner(found pgqueue.schedule, task text, queue text, declared boolean) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN found.declared AND NOT (declared AND found.task = task)
        THEN 'it is declared in the code of task "' || found.task || '"'
        WHEN declared AND found.task <> task
        THEN 'it was made at run time of task "' || found.task || '"'
        WHEN found.declared AND found.queue <> queue AND pgqueue.is_declared(found)
        THEN 'a live worker declares it for queue "' || found.queue || '"'
    END
$$;

-- Make a schedule, or change the one of this name. Unchanged timing keeps the next tick where it is; a
-- paused schedule stays paused. Returns whether anything was changed.
CREATE FUNCTION pgqueue.put_schedule(
    name           text,
    task           text,
    args           jsonb DEFAULT '{}',
    cron           text DEFAULT NULL,
    every          interval DEFAULT NULL,
    at             timestamptz DEFAULT NULL,
    timezone       text DEFAULT 'UTC',
    queue          text DEFAULT 'default',
    priority       integer DEFAULT 0,
    max_attempts   integer DEFAULT 20,
    timeout        interval DEFAULT NULL,
    tags           text[] DEFAULT NULL,
    meta           jsonb DEFAULT NULL,
    missed         text DEFAULT 'latest',
    most_missed    integer DEFAULT 100,
    overlap        text DEFAULT 'allow',
    jitter         interval DEFAULT interval '0',
    declared       boolean DEFAULT false,
    max_args_bytes integer DEFAULT 1048576,
    flow           jsonb DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    known pgqueue.schedule;
    owner pgqueue.schedule;
BEGIN
    PERFORM pgqueue.check_args(put_schedule.args, put_schedule.max_args_bytes);
    IF put_schedule.flow IS NOT NULL THEN
        PERFORM pgqueue.check_flow(
            put_schedule.flow, CASE WHEN put_schedule.flow ? 'expires_in' THEN now() + put_schedule.jitter END);
    END IF;
    SELECT s.* INTO known FROM pgqueue.schedule s WHERE s.name = put_schedule.name;
    IF known.error IS NULL
       AND (known.task, known.args, known.cron, known.every, known.at, known.timezone, known.queue,
            known.priority::integer, known.max_attempts::integer, known.timeout, known.tags, known.meta,
            known.missed, known.most_missed, known.overlap, known.jitter, known.declared, known.flow)
           IS NOT DISTINCT FROM
           (put_schedule.task, put_schedule.args, put_schedule.cron, put_schedule.every, put_schedule.at,
            put_schedule.timezone, put_schedule.queue, put_schedule.priority, put_schedule.max_attempts,
            put_schedule.timeout, put_schedule.tags, put_schedule.meta, put_schedule.missed,
            put_schedule.most_missed, put_schedule.overlap, put_schedule.jitter, put_schedule.declared,
            put_schedule.flow) THEN
        RETURN false;  -- without a lock: every worker that starts comes here with what it declares
    END IF;
    INSERT INTO pgqueue.schedule AS s (
        name, task, args, cron, every, at, timezone, queue, priority, max_attempts, timeout, tags, meta,
        missed, most_missed, overlap, jitter, declared, flow)
    VALUES (
        put_schedule.name, put_schedule.task, put_schedule.args, put_schedule.cron, put_schedule.every,
        put_schedule.at, put_schedule.timezone, put_schedule.queue, put_schedule.priority,
        put_schedule.max_attempts, put_schedule.timeout, put_schedule.tags, put_schedule.meta,
        put_schedule.missed, put_schedule.most_missed, put_schedule.overlap, put_schedule.jitter,
        put_schedule.declared, put_schedule.flow)
    ON CONFLICT ON CONSTRAINT schedule_pkey DO UPDATE
    SET task = excluded.task, args = excluded.args, cron = excluded.cron, every = excluded.every,
        at = excluded.at, timezone = excluded.timezone, queue = excluded.queue, priority = excluded.priority,
        max_attempts = excluded.max_attempts, timeout = excluded.timeout, tags = excluded.tags,
        meta = excluded.meta, missed = excluded.missed, most_missed = excluded.most_missed,
        overlap = excluded.overlap, jitter = excluded.jitter, declared = excluded.declared, flow = excluded.flow,
        error = NULL,
        changed_at = greatest(clock_timestamp(), s.changed_at + interval '1 microsecond'),
        (since, next_at, ended_at) = (
            SELECT CASE WHEN same THEN s.since ELSE now() END, CASE WHEN same THEN s.next_at END,
                   CASE WHEN same THEN s.ended_at END
            FROM (SELECT (s.cron, s.every, s.at, s.timezone) IS NOT DISTINCT FROM
                         (excluded.cron, excluded.every, excluded.at, excluded.timezone)) AS timing(same))
    WHERE pgqueue.schedule_owner(s, excluded.task, excluded.queue, excluded.declared) IS NULL;
    IF NOT FOUND THEN
        SELECT s.* INTO owner FROM pgqueue.schedule s WHERE s.name = put_schedule.name;
        RAISE EXCEPTION 'pgqueue: schedule "%" is taken: %', put_schedule.name,
            pgqueue.schedule_owner(owner, put_schedule.task, put_schedule.queue, put_schedule.declared)
            USING ERRCODE = 'duplicate_object',
                  HINT = CASE WHEN owner.declared
                         THEN 'Change it in the code that declares it, or give yours another name.'
                         ELSE 'Delete that one, or give the declaring task another name.' END;
    END IF;
    PERFORM pg_notify('pgqueue', 'schedules');
    RETURN true;
END
$$;

-- Delete what an application once declared and declares no more: schedules of its tasks, with other names.
-- Those for other queues than its tasks have stay while a live worker declares them.
CREATE FUNCTION pgqueue.keep_declared(tasks text[], queues text[], names text[]) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    old     text;
    deleted integer := 0;
BEGIN
    FOR old IN
        SELECT s.name FROM pgqueue.schedule s
        WHERE s.declared AND s.name <> ALL (names)
          AND EXISTS (SELECT FROM unnest(tasks, queues) AS ours(task, queue)
                      WHERE ours.task = s.task AND (ours.queue = s.queue OR NOT pgqueue.is_declared(s)))
        ORDER BY s.name
    LOOP
        deleted := deleted + pgqueue.delete_schedule(old)::integer;
    END LOOP;
    RETURN deleted;
END
$$;

CREATE FUNCTION pgqueue.delete_schedule(name text) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    DELETE FROM pgqueue.schedule s WHERE s.name = delete_schedule.name;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Or a schedule that is made anew under this name would find its ticks taken.
    DELETE FROM pgqueue.tick t WHERE t.schedule = delete_schedule.name;
    RETURN true;
END
$$;

-- No tick happens while it is paused. Pausing a paused schedule changes reason and name.
CREATE FUNCTION pgqueue.pause_schedule(name text, reason text DEFAULT NULL, paused_by text DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    UPDATE pgqueue.schedule s
    SET paused_at = coalesce(s.paused_at, now()),
        paused_by = coalesce(pause_schedule.paused_by, session_user),
        pause_reason = pause_schedule.reason,
        changed_at = greatest(clock_timestamp(), s.changed_at + interval '1 microsecond')
    WHERE s.name = pause_schedule.name;
    RETURN FOUND;
END
$$;

-- Ticks that fell into the pause are not missed, they did not happen; but a one-off waits for its turn.
-- A broken schedule is tried again.
CREATE FUNCTION pgqueue.resume_schedule(name text) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    UPDATE pgqueue.schedule s
    SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, error = NULL,
        since = CASE WHEN s.paused_at IS NULL THEN s.since ELSE now() END,
        next_at = CASE WHEN s.paused_at IS NULL THEN s.next_at END,
        changed_at = greatest(clock_timestamp(), s.changed_at + interval '1 microsecond')
    WHERE s.name = resume_schedule.name AND (s.paused_at IS NOT NULL OR s.error IS NOT NULL);
    IF FOUND THEN
        PERFORM pg_notify('pgqueue', 'schedules');
        RETURN true;
    END IF;
    RETURN false;
END
$$;
