-- Who did what by hand: whoever acts for a person records it in the transaction that does it, so that there
-- is no act without its record and no record of what was rolled back.

CREATE TABLE pgqueue.audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    actor  text NOT NULL,
    via    text NOT NULL
        CONSTRAINT "via is dashboard, cli, python or sql" CHECK (via IN ('dashboard', 'cli', 'python', 'sql')),
    action text NOT NULL,
    target jsonb NOT NULL,
    jobs   integer,
    reason text
);
CREATE INDEX audit_at ON pgqueue.audit (at);

CREATE FUNCTION pgqueue.record_action(
    actor text, via text, action text, target jsonb, jobs integer DEFAULT NULL, reason text DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    INSERT INTO pgqueue.audit AS a (actor, via, action, target, jobs, reason)
    VALUES (coalesce(record_action.actor, session_user), record_action.via, record_action.action, record_action.target,
            record_action.jobs, record_action.reason)
    RETURNING a.id INTO number;
    PERFORM pg_notify('pgqueue_changed', '');
    RETURN number;
END
$$;

CREATE VIEW pgqueue.audit_log AS
SELECT a.id, a.at, a.actor, a.via, a.action, a.target, a.jobs, a.reason FROM pgqueue.audit a;

-- Records are kept for 90 days. Returns how many went.
CREATE FUNCTION pgqueue.prune_audit(max_rows integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    total integer;
BEGIN
    DELETE FROM pgqueue.audit a WHERE a.id = ANY (ARRAY(
        SELECT old.id FROM pgqueue.audit old
        WHERE old.at < now() - interval '90 days'
        LIMIT max_rows FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS total = ROW_COUNT;
    RETURN total;
END
$$;
