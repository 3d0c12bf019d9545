-- What is declared as it stands, or set by an operator, is not touched: that would lock its row.
SELECT pgqueue.set_limit(given.name, given.concurrency, given.rate, make_interval(secs => given.per), given.burst,
                         given.sliding, given.when_full, declared => true)
FROM unnest(
    CAST(%(names)s AS text[]),
    CAST(%(concurrency)s AS integer[]),
    CAST(%(rate)s AS integer[]),
    CAST(%(per)s AS double precision[]),
    CAST(%(burst)s AS integer[]),
    CAST(%(sliding)s AS boolean[]),
    CAST(%(when_full)s AS text[])
) AS given(name, concurrency, rate, per, burst, sliding, when_full)
WHERE NOT EXISTS (
    SELECT FROM pgqueue.limit_rule AS r
    WHERE r.name = given.name
      AND (NOT r.declared
           OR (r.concurrency, r.rate, r.per, r.burst, r.sliding, r.when_full) IS NOT DISTINCT FROM
              (given.concurrency, given.rate, make_interval(secs => given.per), given.burst, given.sliding,
               given.when_full))
)
