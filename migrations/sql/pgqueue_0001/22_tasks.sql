-- What workers know of their tasks, so that who has only the database can show them, check arguments, and
-- hide those that are secret.

CREATE TABLE pgqueue.task_declaration (
    task         text PRIMARY KEY,
    aliases      text[] NOT NULL DEFAULT '{}',
    queue        text NOT NULL,
    signature    text NOT NULL,
    doc          text,
    schema       jsonb,
    redact       text[] NOT NULL DEFAULT '{}',
    max_attempts integer NOT NULL,
    priority     integer NOT NULL,
    timeout      interval,
    cron         text,
    version      text NOT NULL,
    declared_at  timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT now()
);

-- Called by each worker that starts, with an array of objects. Rows that say so already are not touched, so
-- that a thousand workers of one release write nothing. Returns how many were written.
CREATE FUNCTION pgqueue.declare_tasks(declarations jsonb) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    written integer;
BEGIN
    INSERT INTO pgqueue.task_declaration AS d (
        task, aliases, queue, signature, doc, schema, redact, max_attempts, priority, timeout, cron, version)
    SELECT g.task, g.aliases, g.queue, g.signature, g.doc, g.schema, g.redact, g.max_attempts, g.priority,
           g.timeout, g.cron, g.version
    FROM jsonb_to_recordset(declare_tasks.declarations) AS g(
             task text, aliases text[], queue text, signature text, doc text, schema jsonb, redact text[],
             max_attempts integer, priority integer, timeout interval, cron text, version text)
    WHERE NOT EXISTS (
        SELECT FROM pgqueue.task_declaration k
        WHERE k.task = g.task
          AND (k.aliases, k.queue, k.signature, k.doc, k.schema, k.redact, k.max_attempts, k.priority, k.timeout,
               k.cron, k.version) IS NOT DISTINCT FROM
              (g.aliases, g.queue, g.signature, g.doc, g.schema, g.redact, g.max_attempts, g.priority, g.timeout,
               g.cron, g.version))
    ORDER BY g.task COLLATE "C"
    ON CONFLICT ON CONSTRAINT task_declaration_pkey DO UPDATE
    SET aliases = excluded.aliases, queue = excluded.queue, signature = excluded.signature, doc = excluded.doc,
        schema = excluded.schema, redact = excluded.redact, max_attempts = excluded.max_attempts,
        priority = excluded.priority, timeout = excluded.timeout, cron = excluded.cron,
        version = excluded.version, changed_at = now();
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- Which arguments of a task, by its name or one that it had before, are not for everybody's eyes.
CREATE FUNCTION pgqueue.redactions(task text) RETURNS text[]
LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(DISTINCT path), '{}')
    FROM pgqueue.task_declaration d, unnest(d.redact) AS path
    WHERE d.task = redactions.task OR redactions.task = ANY (d.aliases)
$$;

CREATE VIEW pgqueue.tasks AS
SELECT d.task AS name, d.queue, d.signature, d.doc, d.schema, d.redact, d.max_attempts, d.timeout, d.cron,
       d.declared_at,
       (SELECT count(*) FROM pgqueue.worker w
        WHERE d.task = ANY (w.tasks) AND w.seen_at + w.lease_for >= now()) AS workers,
       d.aliases, d.priority, d.version, d.changed_at
FROM pgqueue.task_declaration d;
