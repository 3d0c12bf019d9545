SELECT pgqueue.record_action(
    CAST(%(actor)s AS text), CAST(%(via)s AS text), CAST(%(action)s AS text), CAST(%(target)s AS jsonb),
    CAST(%(jobs)s AS integer), CAST(%(reason)s AS text)) AS number
