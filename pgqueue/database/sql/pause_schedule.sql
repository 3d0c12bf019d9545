SELECT pgqueue.pause_schedule(
    CAST(%(name)s AS text), CAST(%(reason)s AS text), CAST(%(paused_by)s AS text))
