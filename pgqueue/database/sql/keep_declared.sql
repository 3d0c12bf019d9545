SELECT pgqueue.keep_declared(
    CAST(%(tasks)s AS text[]), CAST(%(queues)s AS text[]), CAST(%(names)s AS text[]))
