-- Make or change a schedule, in the caller's transaction; or tell whose it is.
SELECT CASE WHEN found.owner IS NULL THEN pgqueue.put_schedule(
    name => CAST(%(name)s AS text), task => CAST(%(task)s AS text), args => CAST(%(args)s AS jsonb),
    cron => CAST(%(cron)s AS text),
    every => make_interval(secs => CAST(%(every)s AS double precision)),
    at => CAST(%(at)s AS timestamptz), timezone => CAST(%(timezone)s AS text),
    queue => CAST(%(queue)s AS text), priority => CAST(%(priority)s AS integer),
    max_attempts => CAST(%(max_attempts)s AS integer),
    timeout => make_interval(secs => CAST(%(timeout)s AS double precision)),
    tags => CAST(%(tags)s AS text[]), meta => CAST(%(meta)s AS jsonb),
    missed => CAST(%(missed)s AS text), most_missed => CAST(%(most_missed)s AS integer),
    overlap => CAST(%(overlap)s AS text),
    jitter => make_interval(secs => CAST(%(jitter)s AS double precision)),
    declared => CAST(%(declared)s AS boolean), max_args_bytes => CAST(%(max_args_bytes)s AS integer),
    flow => CAST(%(flow)s AS jsonb)) END AS changed, found.owner
FROM (SELECT (SELECT pgqueue.schedule_owner(
                  s, CAST(%(task)s AS text), CAST(%(queue)s AS text), CAST(%(declared)s AS boolean))
              FROM pgqueue.schedule s WHERE s.name = CAST(%(name)s AS text)) AS owner) AS found
