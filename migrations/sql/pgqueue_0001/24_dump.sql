-- What a worker is doing right now, in its own words: somebody asks, its next heartbeat writes it down.
-- One row for each worker that was asked; rows of an hour ago go when somebody asks again.
CREATE TABLE pgqueue.dump (
    worker_id  bigint PRIMARY KEY,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    asked_by   text,
    written_at timestamptz,
    stacks     text
        CONSTRAINT "stacks have at most 256 KiB" CHECK (octet_length(stacks) <= 262144)
);

-- Ask a worker for the stacks of what it runs. Returns whether there is such a worker that is not lost.
CREATE FUNCTION pgqueue.ask_dump(worker bigint, asked_by text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM pgqueue.dump d WHERE d.asked_at < now() - interval '1 hour';
    IF NOT EXISTS (SELECT FROM pgqueue.worker w
                   WHERE w.id = ask_dump.worker AND w.seen_at + w.lease_for >= now()) THEN
        RETURN false;
    END IF;
    INSERT INTO pgqueue.dump AS d (worker_id, asked_by)
    VALUES (ask_dump.worker, coalesce(ask_dump.asked_by, session_user))
    ON CONFLICT ON CONSTRAINT dump_pkey DO UPDATE
    SET asked_at = now(), asked_by = excluded.asked_by, written_at = NULL, stacks = NULL;
    RETURN true;
END
$$;

-- Write down what was asked for. Returns whether anybody still asks.
CREATE FUNCTION pgqueue.write_dump(worker bigint, stacks text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE pgqueue.dump d SET written_at = now(), stacks = write_dump.stacks
    WHERE d.worker_id = write_dump.worker AND d.written_at IS NULL;
    RETURN FOUND;
END
$$;

COMMENT ON TABLE pgqueue.dump IS 'Stacks of running jobs, asked for and written down.';
COMMENT ON COLUMN pgqueue.dump.worker_id IS 'The worker that was asked.';
COMMENT ON COLUMN pgqueue.dump.asked_at IS 'When.';
COMMENT ON COLUMN pgqueue.dump.asked_by IS 'By whom.';
COMMENT ON COLUMN pgqueue.dump.written_at IS 'When the worker answered; NULL: not yet.';
COMMENT ON COLUMN pgqueue.dump.stacks IS 'What it does: the stack of each running job, and of its threads.';
COMMENT ON FUNCTION pgqueue.ask_dump IS
    'Have a worker write the stacks of its running jobs to pgqueue.dump with its next heartbeat; false: there is no such live worker. Runs in the caller''s transaction.';
COMMENT ON FUNCTION pgqueue.write_dump IS
    'The answer of a worker; false: nobody asks. Runs in the caller''s transaction. For workers.';
