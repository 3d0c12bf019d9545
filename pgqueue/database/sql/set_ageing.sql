SELECT pgqueue.set_ageing(
    CAST(%(queue)s AS text), make_interval(secs => CAST(%(ageing)s AS double precision)))
