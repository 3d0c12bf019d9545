-- Until an instant, or for so many seconds from now on.
SELECT pgqueue.pause(
    CAST(%(kind)s AS text), CAST(%(name)s AS text), CAST(%(reason)s AS text), CAST(%(paused_by)s AS text),
    coalesce(CAST(%(until)s AS timestamptz), now() + make_interval(secs => CAST(%(seconds)s AS double precision))))
