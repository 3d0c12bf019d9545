SELECT pgqueue.set_weight(
    CAST(%(queue)s AS text), CAST(%(fair_key)s AS text), CAST(%(weight)s AS integer))
