SELECT job_id, queue, task, worker_id, worker, state FROM pgqueue.rescue(CAST(%(thorough)s AS boolean))
