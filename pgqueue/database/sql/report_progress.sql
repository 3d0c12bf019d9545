SELECT pgqueue.report_progress(
    CAST(%(id)s AS bigint), CAST(%(lease)s AS bigint), CAST(%(progress)s AS jsonb))
