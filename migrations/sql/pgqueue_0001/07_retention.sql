-- One day of job_done. Rows of that day that had to go to the default partition move in with it.
-- Only the owner of a table may attach to it, hence SECURITY DEFINER; the only input is a date.
CREATE FUNCTION pgqueue.add_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
SET timezone = 'UTC' AS $$
DECLARE
    part  text := 'job_done_' || to_char(day, 'YYYYMMDD');
    since timestamptz := day::timestamptz;
    until timestamptz := (day + 1)::timestamptz;
BEGIN
    IF to_regclass('pgqueue.' || part) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Every janitor wants the same day; and nothing may enter the default partition behind our back.
    LOCK TABLE ONLY pgqueue.job_done IN SHARE UPDATE EXCLUSIVE MODE;
    LOCK TABLE pgqueue.job_done_default IN ACCESS EXCLUSIVE MODE;
    IF to_regclass('pgqueue.' || part) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE pgqueue.%I (LIKE pgqueue.job_done INCLUDING DEFAULTS)', part);
    EXECUTE format(
        'WITH moved AS (DELETE FROM pgqueue.job_done_default d WHERE d.finished_at >= %L AND d.finished_at < %L '
        'RETURNING d.*) INSERT INTO pgqueue.%I SELECT * FROM moved', since, until, part);
    EXECUTE format('ALTER TABLE pgqueue.job_done ATTACH PARTITION pgqueue.%I FOR VALUES FROM (%L) TO (%L)',
                   part, since, until);
    RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION pgqueue.add_partition(date) FROM PUBLIC;

-- Drop the days that no queue keeps any longer. Returns their number. It gives up at once where somebody
-- uses job_done, because completions would queue up behind it.
CREATE FUNCTION pgqueue.drop_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
SET timezone = 'UTC' AS $$
DECLARE
    oldest  date;
    part    text;
    dropped integer := 0;
BEGIN
    LOCK TABLE ONLY pgqueue.job_done IN SHARE UPDATE EXCLUSIVE MODE;
    SELECT (now() - coalesce(max(q.keep_succeeded), interval '7 days'))::date INTO oldest FROM pgqueue.queue q;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'pgqueue.job_done'::regclass AND c.relname ~ '^job_done_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < oldest
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE pgqueue.%I', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
REVOKE EXECUTE ON FUNCTION pgqueue.drop_partitions() FROM PUBLIC;

-- Remove what is past its time: dead and cancelled jobs by their queue's rule, failures of jobs that are
-- gone, succeeded jobs that fell into the default partition, unique keys that do not count, statistics and
-- records of acts. Returns how many rows went.
CREATE FUNCTION pgqueue.prune(max_rows integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    part  integer;
    total integer := 0;
BEGIN
    DELETE FROM pgqueue.job_dead d WHERE d.id = ANY (ARRAY(
        SELECT old.id FROM pgqueue.job_dead old LEFT JOIN pgqueue.queue q ON q.name = old.queue
        WHERE old.finished_at < now() - coalesce(q.keep_dead, interval '30 days')
        LIMIT max_rows FOR UPDATE OF old SKIP LOCKED));
    GET DIAGNOSTICS part = ROW_COUNT;
    total := total + part;
    DELETE FROM pgqueue.failure f WHERE f.id = ANY (ARRAY(
        SELECT old.id FROM pgqueue.failure old
        WHERE old.failed_at < now() - (SELECT coalesce(max(greatest(q.keep_dead, q.keep_succeeded)), interval '30 days')
                                       FROM pgqueue.queue q)
          AND NOT EXISTS (SELECT FROM pgqueue.job j WHERE j.id = old.job_id)
          AND NOT EXISTS (SELECT FROM pgqueue.job_dead d WHERE d.id = old.job_id)
        LIMIT max_rows FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS part = ROW_COUNT;
    total := total + part;
    DELETE FROM pgqueue.job_done_default d
    WHERE d.finished_at < now() - (SELECT coalesce(max(q.keep_succeeded), interval '7 days') FROM pgqueue.queue q);
    GET DIAGNOSTICS part = ROW_COUNT;
    RETURN total + part + pgqueue.prune_keys(max_rows) + pgqueue.prune_gate(max_rows)
           + pgqueue.prune_schedules(max_rows) + pgqueue.prune_statistics(max_rows) + pgqueue.prune_audit(max_rows);
END
$$;

-- A week of days to begin with; the janitor of any worker adds the next ones.
DO $$
BEGIN
    PERFORM pgqueue.add_partition((now() AT TIME ZONE 'UTC')::date + ahead) FROM generate_series(0, 7) AS ahead;
END
$$;
