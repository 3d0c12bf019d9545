-- Pauses of tasks, tags and tenants; queues have pause_queue(). What is paused waits at the gate: claims
-- send the plain jobs of a paused task or tag there, and those of a tenant are there anyway.

-- Let no job of a task, with a tag, or of a tenant (a fair_key) begin, until resume() or that instant;
-- running ones go on. Pausing again changes everything but since when.
CREATE FUNCTION pgqueue.pause(
    kind      text,
    name      text,
    reason    text DEFAULT NULL,
    paused_by text DEFAULT NULL,
    until     timestamptz DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pgqueue.check_pause(pause.kind);
    IF pause.until <= now() THEN
        RAISE EXCEPTION 'pgqueue: a pause until % would be over already', pause.until
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Name an instant to come, as in until => now() + interval ''30 minutes''.';
    END IF;
    INSERT INTO pgqueue.pause AS p (kind, name, paused_by, reason, until)
    VALUES (pause.kind, pause.name, coalesce(pause.paused_by, session_user), pause.reason, pause.until)
    ON CONFLICT ON CONSTRAINT pause_pkey DO UPDATE
    SET paused_at = CASE WHEN p.until <= now() THEN now() ELSE p.paused_at END,
        paused_by = excluded.paused_by, reason = excluded.reason, until = excluded.until;
    PERFORM pgqueue.plan_detours();
    IF pause.until IS NOT NULL THEN
        INSERT INTO pgqueue.look (blocker, at) VALUES ('pause ' || pause.kind || ':' || pause.name, pause.until);
    END IF;
END
$$;

-- Returns whether it was paused. What waits comes back a thousand jobs at a time.
CREATE FUNCTION pgqueue.resume(kind text, name text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    ended   timestamptz;
    blocker text := 'pause ' || resume.kind || ':' || resume.name;
BEGIN
    PERFORM pgqueue.check_pause(resume.kind);
    DELETE FROM pgqueue.pause p WHERE p.kind = resume.kind AND p.name = resume.name
    RETURNING coalesce(p.until, 'infinity') INTO ended;
    IF ended IS NULL THEN
        RETURN false;
    END IF;
    PERFORM pgqueue.plan_detours();
    PERFORM pgqueue.nudge(blocker);
    RETURN ended > now();
END
$$;

-- What can be paused with a name.
CREATE FUNCTION pgqueue.check_pause(kind text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF check_pause.kind IN ('task', 'tag', 'tenant') THEN
        RETURN;
    END IF;
    RAISE EXCEPTION 'pgqueue: a task, a tag or a tenant is paused and resumed by this, got %',
        coalesce('"' || check_pause.kind || '"', 'NULL')
        USING ERRCODE = 'invalid_parameter_value',
              HINT = 'For a queue there are pgqueue.pause_queue(name) and pgqueue.resume_queue(name).';
END
$$;

-- Remove pauses whose time is over, and the detours that they needed. An open transaction that changes
-- pauses or limits is not waited for: whoever calls this tries again.
CREATE FUNCTION pgqueue.end_pauses() RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    ended integer;
BEGIN
    DELETE FROM pgqueue.pause p
    WHERE (p.kind, p.name) IN (
        SELECT over.kind, over.name FROM pgqueue.pause over
        WHERE over.until <= now()
        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF ended > 0 THEN
        PERFORM pgqueue.plan_detours();
    END IF;
    RETURN ended;
END
$$;

-- Whatever is paused now.
CREATE VIEW pgqueue.pauses AS
SELECT 'queue' AS kind, q.name, q.paused_at, q.paused_by, q.pause_reason AS reason, q.paused_until AS until
FROM pgqueue.queue q WHERE q.paused_at IS NOT NULL AND coalesce(q.paused_until > now(), true)
UNION ALL
SELECT p.kind, p.name, p.paused_at, p.paused_by, p.reason, p.until
FROM pgqueue.pause p WHERE coalesce(p.until > now(), true);
