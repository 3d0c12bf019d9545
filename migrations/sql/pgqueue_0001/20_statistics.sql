-- What happened, without reading jobs: workers count how attempts end and add it up here once a second, and
-- one of them looks at the queues once a minute.

-- How attempts ended, in each minute and each hour, by queue and task. A row changes once a second while
-- it is new and never again, hence the room on its page.
CREATE TABLE pgqueue.statistic (
    span         interval NOT NULL
        CONSTRAINT "span is 1 minute or 1 hour" CHECK (span IN (interval '1 minute', interval '1 hour')),
    at           timestamptz NOT NULL,
    queue        text NOT NULL,
    task         text NOT NULL,
    succeeded    integer NOT NULL DEFAULT 0,
    retried      integer NOT NULL DEFAULT 0,
    dead         integer NOT NULL DEFAULT 0,
    cancelled    integer NOT NULL DEFAULT 0,
    snoozed      integer NOT NULL DEFAULT 0,
    wait_seconds double precision NOT NULL DEFAULT 0,
    run_seconds  double precision NOT NULL DEFAULT 0,
    waits        integer[] NOT NULL,
    runs         integer[] NOT NULL,
    PRIMARY KEY (span, at, queue, task)
) WITH (fillfactor = 50);

-- The upper ends of the buckets of a histogram, in seconds: 1 ms, 2 ms, 4 ms, … 2 h 20 min. Behind the last
-- one there is a bucket for everything longer.
CREATE FUNCTION pgqueue.histogram_bounds() RETURNS double precision[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(0.001::double precision * 2 ^ n ORDER BY n) FROM generate_series(0, 23) AS n
$$;

-- Two histograms as one.
CREATE FUNCTION pgqueue.add_histograms(these integer[], those integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(coalesce(pair.this, 0) + coalesce(pair.that, 0) ORDER BY pair.place)
    FROM unnest(these, those) WITH ORDINALITY AS pair(this, that, place)
$$;

-- Below which value such parts of all values lie, over as many histograms as there are rows in the array.
-- Within a bucket values count as evenly spread. NULL where nothing was counted.
CREATE FUNCTION pgqueue.percentiles(histograms bigint[], parts double precision[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    WITH bounds AS MATERIALIZED (
        SELECT pgqueue.histogram_bounds() AS upper
    ), bucket AS MATERIALIZED (
        SELECT counted.number, counted.jobs, sum(counted.jobs) OVER (ORDER BY counted.number) AS up_to,
               sum(counted.jobs) OVER () AS total,
               coalesce(b.upper[counted.number], 0) AS lower,
               b.upper[least(counted.number + 1, cardinality(b.upper))] AS upper
        FROM (
            SELECT (each.place - 1) % (SELECT cardinality(x.upper) + 1 FROM bounds x) AS number,
                   sum(each.jobs)::double precision AS jobs
            FROM unnest(histograms) WITH ORDINALITY AS each(jobs, place)
            GROUP BY 1
        ) AS counted CROSS JOIN bounds b
        WHERE counted.jobs > 0
    )
    SELECT array_agg((
        SELECT b.lower + (b.upper - b.lower) * (part.share * b.total - b.up_to + b.jobs) / b.jobs
        FROM bucket b WHERE b.up_to >= part.share * b.total
        ORDER BY b.number LIMIT 1) ORDER BY part.place)
    FROM unnest(parts) WITH ORDINALITY AS part(share, place)
$$;

-- Add up what a worker has counted: an array of objects with the columns of statistic, one for each queue
-- and task. Rows are written in the order of the key, so that workers wait for each other but never in a
-- circle. The time is the database's.
CREATE FUNCTION pgqueue.count_attempts(counts jsonb) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    written integer;
BEGIN
    INSERT INTO pgqueue.statistic AS s (
        span, at, queue, task, succeeded, retried, dead, cancelled, snoozed, wait_seconds, run_seconds, waits, runs)
    SELECT span.length, date_bin(span.length, now(), '2000-01-01 00:00:00+00'), c.queue, c.task,
           coalesce(c.succeeded, 0), coalesce(c.retried, 0), coalesce(c.dead, 0), coalesce(c.cancelled, 0),
           coalesce(c.snoozed, 0), coalesce(c.wait_seconds, 0), coalesce(c.run_seconds, 0),
           coalesce(c.waits, zeros.histogram), coalesce(c.runs, zeros.histogram)
    FROM jsonb_to_recordset(count_attempts.counts) AS c(
             queue text, task text, succeeded integer, retried integer, dead integer, cancelled integer,
             snoozed integer, wait_seconds double precision, run_seconds double precision,
             waits integer[], runs integer[])
    CROSS JOIN (VALUES (interval '1 minute'), (interval '1 hour')) AS span(length)
    CROSS JOIN (SELECT array_fill(0, ARRAY[cardinality(pgqueue.histogram_bounds()) + 1])) AS zeros(histogram)
    ORDER BY span.length, c.queue COLLATE "C", c.task COLLATE "C"
    ON CONFLICT ON CONSTRAINT statistic_pkey DO UPDATE
    SET succeeded = s.succeeded + excluded.succeeded,
        retried = s.retried + excluded.retried,
        dead = s.dead + excluded.dead,
        cancelled = s.cancelled + excluded.cancelled,
        snoozed = s.snoozed + excluded.snoozed,
        wait_seconds = s.wait_seconds + excluded.wait_seconds,
        run_seconds = s.run_seconds + excluded.run_seconds,
        waits = pgqueue.add_histograms(s.waits, excluded.waits),
        runs = pgqueue.add_histograms(s.runs, excluded.runs);
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

-- What happened in each step from since until then; a step in which nothing ended is a row of zeros. Steps
-- begin at whole multiples of their length since 2000. Minutes are kept for a day, so longer ago there are
-- steps of an hour and more. Buckets are summed one by one, as unnesting all rows takes eight times as long.
CREATE FUNCTION pgqueue.history(
    since timestamptz,
    until timestamptz DEFAULT now(),
    step  interval DEFAULT interval '1 minute',
    queue text DEFAULT NULL,
    task  text DEFAULT NULL
) RETURNS TABLE (
    at timestamptz, succeeded bigint, retried bigint, dead bigint, cancelled bigint, snoozed bigint,
    wait_p50 double precision, wait_p95 double precision, wait_p99 double precision,
    run_p50 double precision, run_p95 double precision, run_p99 double precision
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    origin CONSTANT timestamptz := '2000-01-01 00:00:00+00';
BEGIN
    PERFORM pgqueue.check_steps(history.since, history.until, history.step);
    RETURN QUERY
    SELECT tick.at, coalesce(f.succeeded, 0), coalesce(f.retried, 0), coalesce(f.dead, 0),
           coalesce(f.cancelled, 0), coalesce(f.snoozed, 0),
           waited.p[1], waited.p[2], waited.p[3], ran.p[1], ran.p[2], ran.p[3]
    FROM generate_series(date_bin(history.step, history.since, origin), history.until, history.step) AS tick(at)
    LEFT JOIN (
        SELECT date_bin(history.step, s.at, origin) AS at, sum(s.succeeded) AS succeeded, sum(s.retried) AS retried,
               sum(s.dead) AS dead, sum(s.cancelled) AS cancelled, sum(s.snoozed) AS snoozed,
               ARRAY[sum(s.waits[1]), sum(s.waits[2]), sum(s.waits[3]), sum(s.waits[4]), sum(s.waits[5]),
                     sum(s.waits[6]), sum(s.waits[7]), sum(s.waits[8]), sum(s.waits[9]), sum(s.waits[10]),
                     sum(s.waits[11]), sum(s.waits[12]), sum(s.waits[13]), sum(s.waits[14]), sum(s.waits[15]),
                     sum(s.waits[16]), sum(s.waits[17]), sum(s.waits[18]), sum(s.waits[19]), sum(s.waits[20]),
                     sum(s.waits[21]), sum(s.waits[22]), sum(s.waits[23]), sum(s.waits[24]), sum(s.waits[25])] AS waits,
               ARRAY[sum(s.runs[1]), sum(s.runs[2]), sum(s.runs[3]), sum(s.runs[4]), sum(s.runs[5]),
                     sum(s.runs[6]), sum(s.runs[7]), sum(s.runs[8]), sum(s.runs[9]), sum(s.runs[10]),
                     sum(s.runs[11]), sum(s.runs[12]), sum(s.runs[13]), sum(s.runs[14]), sum(s.runs[15]),
                     sum(s.runs[16]), sum(s.runs[17]), sum(s.runs[18]), sum(s.runs[19]), sum(s.runs[20]),
                     sum(s.runs[21]), sum(s.runs[22]), sum(s.runs[23]), sum(s.runs[24]), sum(s.runs[25])] AS runs
        FROM pgqueue.statistic s
        WHERE s.span = CASE WHEN history.step < interval '1 hour' THEN interval '1 minute' ELSE interval '1 hour' END
          AND s.at >= date_bin(history.step, history.since, origin) AND s.at < history.until
          AND s.queue = coalesce(history.queue, s.queue) AND s.task = coalesce(history.task, s.task)
        GROUP BY 1
    ) AS f ON f.at = tick.at
    LEFT JOIN LATERAL pgqueue.percentiles(f.waits, '{0.5,0.95,0.99}') AS waited(p) ON f.at IS NOT NULL
    LEFT JOIN LATERAL pgqueue.percentiles(f.runs, '{0.5,0.95,0.99}') AS ran(p) ON f.at IS NOT NULL
    WHERE tick.at < history.until
    ORDER BY tick.at;
END
$$;

-- Refuse what would be more rows than a chart has points.
CREATE FUNCTION pgqueue.check_steps(since timestamptz, until timestamptz, step interval) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(check_steps.step < interval '1 minute', true) THEN
        RAISE EXCEPTION 'pgqueue: a step is at least 1 minute long, got %', coalesce(check_steps.step::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Nothing is counted in smaller pieces than minutes.';
    END IF;
    IF coalesce(extract(epoch FROM check_steps.until - check_steps.since) / extract(epoch FROM check_steps.step)
                > 10000, true) THEN
        RAISE EXCEPTION 'pgqueue: from % until % there are more than 10000 steps of %', check_steps.since,
            check_steps.until, check_steps.step
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Take longer steps, or a later since.';
    END IF;
END
$$;

-- The rows of statistic since then, each attempt once: hours from the first whole one, and the minutes before it.
-- Where the minutes are gone already, that hour counts as a whole.
CREATE FUNCTION pgqueue.statistics_since(since timestamptz) RETURNS SETOF pgqueue.statistic
LANGUAGE sql STABLE AS $$
    WITH cut AS MATERIALIZED (
        SELECT CASE WHEN since < now() - interval '24 hours 30 minutes'
                    THEN date_bin('1 hour', since, '2000-01-01 00:00:00+00')
                    ELSE date_bin('1 hour', since + interval '1 hour' - interval '1 microsecond',
                                  '2000-01-01 00:00:00+00') END AS hour
    )
    SELECT s.* FROM pgqueue.statistic s
    WHERE s.span = interval '1 hour' AND s.at >= (SELECT c.hour FROM cut c)
    UNION ALL
    SELECT s.* FROM pgqueue.statistic s
    WHERE s.span = interval '1 minute' AND s.at < (SELECT c.hour FROM cut c)
      AND s.at >= date_bin('1 minute', since, '2000-01-01 00:00:00+00')
$$;

CREATE FUNCTION pgqueue.task_statistics(since timestamptz) RETURNS TABLE (
    queue text, task text, succeeded bigint, retried bigint, dead bigint, cancelled bigint,
    run_p50 double precision, run_p95 double precision, run_p99 double precision, wait_p95 double precision
)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT f.queue, f.task, f.succeeded, f.retried, f.dead, f.cancelled, f.ran[1], f.ran[2], f.ran[3], f.waited[1]
    FROM (
        SELECT s.queue, s.task, sum(s.succeeded) AS succeeded, sum(s.retried) AS retried, sum(s.dead) AS dead,
               sum(s.cancelled) AS cancelled,
               pgqueue.percentiles(array_agg(s.runs), '{0.5,0.95,0.99}') AS ran,
               pgqueue.percentiles(array_agg(s.waits), '{0.95}') AS waited
        FROM pgqueue.statistics_since(task_statistics.since) AS s GROUP BY s.queue, s.task
    ) AS f
    ORDER BY f.queue, f.task;
END
$$;

CREATE FUNCTION pgqueue.queue_statistics(since timestamptz) RETURNS TABLE (
    queue text, succeeded bigint, retried bigint, dead bigint, cancelled bigint,
    run_p50 double precision, run_p95 double precision, run_p99 double precision, wait_p95 double precision
)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT f.queue, f.succeeded, f.retried, f.dead, f.cancelled, f.ran[1], f.ran[2], f.ran[3], f.waited[1]
    FROM (
        SELECT s.queue, sum(s.succeeded) AS succeeded, sum(s.retried) AS retried, sum(s.dead) AS dead,
               sum(s.cancelled) AS cancelled,
               pgqueue.percentiles(array_agg(s.runs), '{0.5,0.95,0.99}') AS ran,
               pgqueue.percentiles(array_agg(s.waits), '{0.95}') AS waited
        FROM pgqueue.statistics_since(queue_statistics.since) AS s GROUP BY s.queue
    ) AS f
    ORDER BY f.queue;
END
$$;

-- Minutes are kept for a day and an hour, hours for 31 days, samples for 8 days. Returns how many rows went.
CREATE FUNCTION pgqueue.prune_statistics(max_rows integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    part  integer;
    total integer;
BEGIN
    DELETE FROM pgqueue.statistic s WHERE s.ctid = ANY (ARRAY(
        SELECT old.ctid FROM pgqueue.statistic old
        WHERE (old.span = interval '1 minute' AND old.at < now() - interval '25 hours')
           OR (old.span = interval '1 hour' AND old.at < now() - interval '31 days')
        LIMIT max_rows FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS total = ROW_COUNT;
    DELETE FROM pgqueue.queue_sample s WHERE s.ctid = ANY (ARRAY(
        SELECT old.ctid FROM pgqueue.queue_sample old
        WHERE old.at < now() - interval '8 days'
        LIMIT max_rows FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS part = ROW_COUNT;
    RETURN total + part;
END
$$;
