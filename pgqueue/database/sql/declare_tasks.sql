SELECT pgqueue.declare_tasks(CAST(%(declarations)s AS jsonb))
