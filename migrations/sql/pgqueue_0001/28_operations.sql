-- What people do to jobs by hand besides cancel() and retry(), and how they do it to thousands: as an
-- operation, which whoever serves a dashboard works off batch by batch.

-- Move a waiting job to an instant to come. Returns whether it was: false for a job that runs or is over.
-- At the gate it gives up its turn; with an order key that has failed before, it keeps it.
CREATE FUNCTION pgqueue.reschedule(id bigint, run_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    asked pgqueue.job;
BEGIN
    IF coalesce(reschedule.run_at <= now(), true) THEN
        RAISE EXCEPTION 'pgqueue: a job is rescheduled to an instant to come, got %', coalesce(reschedule.run_at::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'pgqueue.retry(id) has it run now.';
    END IF;
    SELECT j.* INTO asked FROM pgqueue.job j WHERE j.id = reschedule.id AND j.lease IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pgqueue.replace_job(
        asked.id, asked.args, asked.queue, asked.priority, reschedule.run_at, asked.max_attempts, asked.timeout,
        asked.tags, asked.meta, asked.flow);
    PERFORM pgqueue.ring(asked.queue, soon => true);
    RETURN true;
END
$$;

-- Give a waiting job another priority. It keeps its place by age in the other line, so claimers have to
-- look again.
CREATE FUNCTION pgqueue.set_priority(id bigint, priority integer) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    lane  text;
    gated boolean;
BEGIN
    PERFORM FROM pgqueue.job j WHERE j.id = set_priority.id AND j.lease IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE pgqueue.job j SET priority = set_priority.priority WHERE j.id = set_priority.id
    RETURNING j.queue, j.blocked INTO lane, gated;
    IF gated THEN
        UPDATE pgqueue.gate g SET priority = set_priority.priority WHERE g.job_id = set_priority.id;
    END IF;
    PERFORM pgqueue.look_again(lane);
    RETURN true;
END
$$;

-- Remove a job that is over, with its failed attempts, before its time. Returns whether there was one.
CREATE FUNCTION pgqueue.delete_job(id bigint) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    gone boolean;
BEGIN
    DELETE FROM pgqueue.job_dead d WHERE d.id = delete_job.id;
    gone := FOUND;
    IF NOT gone THEN
        DELETE FROM pgqueue.job_done d WHERE d.id = delete_job.id;
        gone := FOUND;
    END IF;
    IF gone THEN
        DELETE FROM pgqueue.failure f WHERE f.job_id = delete_job.id;
    END IF;
    RETURN gone;
END
$$;

-- What somebody ordered for more jobs than one transaction should change. The jobs are those that were
-- counted when it was ordered, so that it does what was agreed to and no more; `place` tells how many of
-- them are dealt with. `runner` rises with each process that takes it over.
CREATE TABLE pgqueue.operation (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action      text NOT NULL,
    filter      text NOT NULL,
    parameters  jsonb NOT NULL DEFAULT '{}',
    actor       text NOT NULL,
    reason      text,
    jobs        bigint[] NOT NULL,
    states      text[] NOT NULL,
    total       integer NOT NULL,
    place       integer NOT NULL DEFAULT 0,
    done        integer NOT NULL DEFAULT 0,
    failed      integer NOT NULL DEFAULT 0,
    error       text,
    state       text NOT NULL DEFAULT 'running'
        CONSTRAINT "state is running, done or stopped" CHECK (state IN ('running', 'done', 'stopped')),
    runner      integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
) WITH (fillfactor = 50);

-- Order one. Those that have been over for 90 days go.
CREATE FUNCTION pgqueue.order_operation(
    action text, filter text, parameters jsonb, actor text, reason text, jobs bigint[], states text[]
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    DELETE FROM pgqueue.operation old WHERE old.state <> 'running' AND old.created_at < now() - interval '90 days';
    INSERT INTO pgqueue.operation AS o (action, filter, parameters, actor, reason, jobs, states, total)
    VALUES (order_operation.action, order_operation.filter, order_operation.parameters, order_operation.actor,
            order_operation.reason, order_operation.jobs, order_operation.states, cardinality(order_operation.jobs))
    RETURNING o.id INTO number;
    RETURN number;
END
$$;

-- Become the one who works it off: where nobody does yet, or whoever did was not seen for 15 seconds.
-- Returns the number to show with every batch; NULL: somebody else has it, or it is over.
CREATE FUNCTION pgqueue.take_operation(id bigint) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    number integer;
BEGIN
    UPDATE pgqueue.operation o SET runner = o.runner + 1, seen_at = clock_timestamp()
    WHERE o.id = take_operation.id AND o.state = 'running'
      AND (o.runner = 0 OR o.seen_at + interval '15 seconds' < clock_timestamp())
    RETURNING o.runner INTO number;
    RETURN number;
END
$$;

-- The next jobs of an operation, locked until the caller has noted what became of them, so that whoever
-- wants to take it over or stop it waits for this. No row: it is over, or somebody else's.
CREATE FUNCTION pgqueue.next_batch(id bigint, runner integer, most integer DEFAULT 500)
RETURNS TABLE (action text, parameters jsonb, reason text, jobs bigint[], states text[])
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT o.action, o.parameters, o.reason, o.jobs[o.place + 1 : o.place + next_batch.most], o.states
    FROM pgqueue.operation o
    WHERE o.id = next_batch.id AND o.runner = next_batch.runner AND o.state = 'running'
    FOR UPDATE;
END
$$;

-- Note what became of a batch. Returns the state; NULL: somebody else has taken it over.
CREATE FUNCTION pgqueue.note_batch(id bigint, runner integer, jobs integer, done integer, failed integer, error text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    now_is text;
BEGIN
    UPDATE pgqueue.operation o
    SET place = o.place + note_batch.jobs, done = o.done + note_batch.done, failed = o.failed + note_batch.failed,
        error = coalesce(note_batch.error, o.error), seen_at = clock_timestamp(),
        state = CASE WHEN o.place + note_batch.jobs >= o.total THEN 'done' ELSE 'running' END,
        finished_at = CASE WHEN o.place + note_batch.jobs >= o.total THEN clock_timestamp() END,
        jobs = CASE WHEN o.place + note_batch.jobs >= o.total THEN '{}' ELSE o.jobs END
    WHERE o.id = note_batch.id AND o.runner = note_batch.runner AND o.state = 'running'
    RETURNING o.state INTO now_is;
    RETURN now_is;
END
$$;

-- What was done stays done. Returns whether there was something to stop.
CREATE FUNCTION pgqueue.stop_operation(id bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE pgqueue.operation o SET state = 'stopped', finished_at = clock_timestamp(), jobs = '{}'
    WHERE o.id = stop_operation.id AND o.state = 'running';
    RETURN FOUND;
END
$$;

CREATE VIEW pgqueue.operations AS
SELECT o.id, o.action, o.filter, o.parameters, o.actor, o.reason, o.total, o.done, o.failed,
       o.place - o.done - o.failed AS skipped,
       CASE WHEN o.state = 'running' AND o.seen_at + interval '15 seconds' < now() THEN 'interrupted'
            ELSE o.state END AS state,
       o.error, o.created_at, o.seen_at, o.finished_at
FROM pgqueue.operation o;
