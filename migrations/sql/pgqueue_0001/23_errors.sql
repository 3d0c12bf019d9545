-- Errors since a time, counted by what they have in common. Both ways to the rows are indexes: by time, and by
-- fingerprint for when an error was seen first.

CREATE INDEX failure_fingerprint ON pgqueue.failure (fingerprint, task, failed_at);

CREATE FUNCTION pgqueue.errors_since(since timestamptz) RETURNS TABLE (
    fingerprint text, task text, error_type text, place text, example text, failures bigint, jobs bigint,
    first_seen timestamptz, last_seen timestamptz, is_new boolean, trend integer[]
)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET jit = off AS $$
BEGIN
    RETURN QUERY
    WITH recent AS (
        SELECT f.fingerprint, f.task, f.error_type, f.place, f.message, f.job_id, f.failed_at,
               least(12, width_bucket(extract(epoch FROM f.failed_at), extract(epoch FROM errors_since.since),
                                      extract(epoch FROM now() + interval '1 microsecond'), 12)) AS slice
        FROM pgqueue.failure f WHERE f.failed_at >= errors_since.since
    ), counted AS (
        SELECT r.fingerprint, r.task, r.error_type, max(r.place) AS place, min(r.message) AS example,
               count(*) AS failures, count(DISTINCT r.job_id) AS jobs, max(r.failed_at) AS last_seen,
               array_agg(r.slice) AS slices
        FROM recent r GROUP BY r.fingerprint, r.task, r.error_type
    )
    SELECT c.fingerprint, c.task, c.error_type, c.place, c.example, c.failures, c.jobs, first.at, c.last_seen,
           first.at >= errors_since.since,
           ARRAY(SELECT count(s.slice)::integer
                 FROM generate_series(1, 12) AS n LEFT JOIN unnest(c.slices) AS s(slice) ON s.slice = n
                 GROUP BY n ORDER BY n)
    FROM counted c CROSS JOIN LATERAL (
        SELECT min(f.failed_at) AS at FROM pgqueue.failure f
        WHERE f.fingerprint = c.fingerprint AND f.task = c.task
    ) AS first
    ORDER BY c.last_seen DESC, c.fingerprint, c.task;
END
$$;
