SELECT pgqueue.break_schedule(
    CAST(%(name)s AS text), CAST(%(changed_at)s AS timestamptz), CAST(%(error)s AS text))
