DROP VIEW pgqueue.queue_stats, pgqueue.workers, pgqueue.error_groups, pgqueue.failures, pgqueue.dead_jobs, pgqueue.jobs;
DROP FUNCTION
    pgqueue.prune, pgqueue.drop_partitions, pgqueue.add_partition,
    pgqueue.report_progress, pgqueue.await_job, pgqueue.resume_queue, pgqueue.pause_queue, pgqueue.retry,
    pgqueue.cancel,
    pgqueue.take_back, pgqueue.rescue, pgqueue.promote, pgqueue.unregister, pgqueue.check_leases,
    pgqueue.renew, pgqueue.register,
    pgqueue.held, pgqueue.release, pgqueue.look_again, pgqueue.cancel_running, pgqueue.snooze, pgqueue.fail, pgqueue.bury, pgqueue.complete,
    pgqueue.claim,
    pgqueue.enqueue_many, pgqueue.enqueue, pgqueue.check_args, pgqueue.ring;
DROP TABLE pgqueue.worker, pgqueue.queue, pgqueue.failure, pgqueue.job_dead, pgqueue.job_done, pgqueue.job;
