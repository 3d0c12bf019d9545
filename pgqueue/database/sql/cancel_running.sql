SELECT pgqueue.cancel_running(
    CAST(%(id)s AS bigint), CAST(%(lease)s AS bigint), CAST(%(reason)s AS text))
