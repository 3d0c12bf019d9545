SELECT place.token, place.wait, place.when_full
FROM pgqueue.acquire(
    CAST(%(name)s AS text),
    CAST(%(weight)s AS integer),
    make_interval(secs => CAST(%(lease)s AS double precision))
) AS place
