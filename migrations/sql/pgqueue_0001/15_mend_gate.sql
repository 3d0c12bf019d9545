-- Put right what only a hand in the tables can have made wrong: gate rows without a job, blocked jobs
-- without a gate row, jobs that wait for a turn or a bucket that nobody has. Reads everything, but locks
-- nobody out: a job that is open by mistake is looked at and closed again.
CREATE FUNCTION pgqueue.mend_gate() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    lost   bigint[];
    part   integer;
    mended integer;
BEGIN
    UPDATE pgqueue.gate g SET state = 'ended', blocker = NULL
    WHERE g.job_id = ANY (ARRAY(
        SELECT stale.job_id FROM pgqueue.gate stale
        WHERE stale.state <> 'ended' AND NOT EXISTS (SELECT FROM pgqueue.job j WHERE j.id = stale.job_id)
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS mended = ROW_COUNT;
    SELECT array_agg(j.id) INTO lost FROM pgqueue.job j
    WHERE j.blocked AND NOT EXISTS (SELECT FROM pgqueue.gate g WHERE g.job_id = j.id);
    PERFORM pgqueue.line_up(lost);
    UPDATE pgqueue.gate g SET state = 'open', blocker = NULL
    WHERE g.job_id = ANY (ARRAY(
        SELECT next.job_id FROM pgqueue.gate next
        WHERE next.state = 'closed' AND next.blocker = 'order'
          AND pgqueue.held_back(next.job_id, next.queue, next.task, next.tags, next.fair_key, next.order_key) IS NULL
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS part = ROW_COUNT;
    PERFORM pgqueue.look_at(waits.blocker, clock_timestamp())
    FROM (SELECT DISTINCT g.blocker FROM pgqueue.gate g WHERE g.state = 'closed' AND g.blocker <> 'order') AS waits;
    -- A claim on its way when a limit was set has started jobs that nobody counted.
    PERFORM pgqueue.count_running(r.name) FROM pgqueue.limit_rule r WHERE r.name ~ '^(queue|task)(:|$)';
    RETURN mended + part + coalesce(cardinality(lost), 0);
END
$$;

-- Remove what the gate remembers and would make anew as it is: tenants that are not behind, rates that are
-- full again by any rule, starts that no window reaches. Rows in use are left for the next time.
CREATE FUNCTION pgqueue.prune_gate(max_rows integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    longest interval := (SELECT max(r.per * greatest(coalesce(r.burst, r.rate)::double precision / r.rate, 1))
                         FROM pgqueue.limit_rule r);
    part    integer;
    total   integer := 0;
BEGIN
    DELETE FROM pgqueue.share s WHERE s.ctid = ANY (ARRAY(
        SELECT even.ctid FROM pgqueue.share even JOIN pgqueue.fair_line f ON f.queue = even.queue
        WHERE even.served <= f.served LIMIT max_rows FOR UPDATE OF even SKIP LOCKED));
    GET DIAGNOSTICS part = ROW_COUNT;
    total := total + part;
    DELETE FROM pgqueue.bucket b WHERE b.ctid = ANY (ARRAY(
        SELECT old.ctid FROM pgqueue.bucket old
        WHERE coalesce(old.counted_at < now() - coalesce(longest, interval '0'), true)
          AND coalesce(old.kept_until < now(), true)
        LIMIT max_rows FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS part = ROW_COUNT;
    total := total + part;
    DELETE FROM pgqueue.rated_start r WHERE r.ctid = ANY (ARRAY(
        SELECT old.ctid FROM pgqueue.rated_start old
        WHERE old.at < now() - coalesce(longest, interval '0')
        LIMIT max_rows FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS part = ROW_COUNT;
    RETURN total + part;
END
$$;
