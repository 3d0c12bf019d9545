DROP VIEW pgqueue.operations;
DROP FUNCTION
    pgqueue.stop_operation, pgqueue.note_batch, pgqueue.next_batch, pgqueue.take_operation, pgqueue.order_operation,
    pgqueue.delete_job, pgqueue.set_priority, pgqueue.reschedule;
DROP TABLE pgqueue.operation;
DROP VIEW pgqueue.tasks, pgqueue.audit_log;
DROP FUNCTION
    pgqueue.errors_since, pgqueue.redactions, pgqueue.declare_tasks, pgqueue.prune_audit, pgqueue.record_action,
    pgqueue.prune_statistics, pgqueue.queue_statistics, pgqueue.task_statistics, pgqueue.statistics_since,
    pgqueue.depths, pgqueue.history, pgqueue.check_steps, pgqueue.sample, pgqueue.queue_names, pgqueue.look_at_line,
    pgqueue.count_attempts, pgqueue.percentiles, pgqueue.add_histograms, pgqueue.histogram_bounds;
DROP TABLE pgqueue.task_declaration, pgqueue.audit, pgqueue.queue_sample, pgqueue.statistic;
DROP FUNCTION pgqueue.write_dump, pgqueue.ask_dump;
DROP TABLE pgqueue.dump;
DROP FUNCTION pgqueue.unknown_tasks, pgqueue.count_queues;
DROP FUNCTION pgqueue.metrics, pgqueue.schedule_metrics, pgqueue.queue_metrics, pgqueue.some_queues;
DROP VIEW pgqueue.schedules;
DROP FUNCTION
    pgqueue.prune_schedules, pgqueue.break_schedule, pgqueue.tick, pgqueue.due_schedules, pgqueue.run_schedule, pgqueue.live_jobs,
    pgqueue.enqueue_for, pgqueue.resume_schedule, pgqueue.pause_schedule, pgqueue.keep_declared,
    pgqueue.delete_schedule, pgqueue.put_schedule, pgqueue.schedule_owner, pgqueue.is_declared;
DROP TABLE pgqueue.tick, pgqueue.schedule;
DROP VIEW pgqueue.pauses;
DROP VIEW pgqueue.limits;
DROP VIEW pgqueue.queue_stats, pgqueue.workers, pgqueue.error_groups, pgqueue.failures, pgqueue.dead_jobs, pgqueue.jobs;
DROP FUNCTION
    pgqueue.prune_keys, pgqueue.retake_key, pgqueue.replace_job, pgqueue.take_key, pgqueue.check_unique,
    pgqueue.key_holds,
    pgqueue.why, pgqueue.reasons, pgqueue.why_absent, pgqueue.why_running, pgqueue.why_later, pgqueue.why_paused,
    pgqueue.why_unserved, pgqueue.why_locked, pgqueue.why_at_gate, pgqueue.why_ordered, pgqueue.why_limited,
    pgqueue.why_shared, pgqueue.why_in_line, pgqueue.why_turn, pgqueue.ahead_at_gate, pgqueue.closest, pgqueue.say, pgqueue.instant,
    pgqueue.say_jobs, pgqueue.say_list, pgqueue.quote,
    pgqueue.pause, pgqueue.resume, pgqueue.check_pause, pgqueue.end_pauses,
    pgqueue.age, pgqueue.raise_aged, pgqueue.set_ageing, pgqueue.refuse_above, pgqueue.running, pgqueue.backlog,
    pgqueue.leave, pgqueue.stay, pgqueue.acquire, pgqueue.set_weight, pgqueue.remove_limit, pgqueue.set_limit, pgqueue.count_running,
    pgqueue.nudge,
    pgqueue.prune_gate, pgqueue.mend_gate, pgqueue.claim_gated, pgqueue.serve, pgqueue.pick, pgqueue.admit, pgqueue.own_limits, pgqueue.turn_away, pgqueue.held_back,
    pgqueue.candidates, pgqueue.expire, pgqueue.reopen, pgqueue.closed_by, pgqueue.room_for, pgqueue.open_closed, pgqueue.open_next, pgqueue.settle,
    pgqueue.look_soon, pgqueue.look_at, pgqueue.take_tokens, pgqueue.keep_tokens, pgqueue.enter, pgqueue.refilled_at, pgqueue.room_of, pgqueue.rule_of, pgqueue.sift,
    pgqueue.plan_detours, pgqueue.lock_gate, pgqueue.new_lease,
    pgqueue.enqueue_many_with, pgqueue.enqueue_with, pgqueue.check_limits, pgqueue.check_time, pgqueue.check_flow, pgqueue.line_up,
    pgqueue.prune, pgqueue.drop_partitions, pgqueue.add_partition,
    pgqueue.report_progress, pgqueue.await_job, pgqueue.resume_queue, pgqueue.pause_queue, pgqueue.retry,
    pgqueue.cancel,
    pgqueue.take_back, pgqueue.rescue, pgqueue.promote, pgqueue.unregister, pgqueue.check_leases,
    pgqueue.ask_worker, pgqueue.renew, pgqueue.register,
    pgqueue.held, pgqueue.release, pgqueue.look_again, pgqueue.cancel_running, pgqueue.snooze, pgqueue.fail, pgqueue.bury, pgqueue.complete,
    pgqueue.claim,
    pgqueue.enqueue_many, pgqueue.enqueue, pgqueue.check_args, pgqueue.ring_for, pgqueue.ring,
    pgqueue.is_gated;
DROP TABLE
    pgqueue.unique_key,
    pgqueue.detour, pgqueue.pause, pgqueue.look, pgqueue.fair_weight, pgqueue.fair_line,
    pgqueue.share, pgqueue.rated_start, pgqueue.bucket, pgqueue.slot,
    pgqueue.limit_rule, pgqueue.gate,
    pgqueue.wish, pgqueue.worker, pgqueue.queue, pgqueue.failure, pgqueue.job_dead, pgqueue.job_done, pgqueue.job;
DROP TYPE pgqueue.room;
DROP DOMAIN
    pgqueue.run_at, pgqueue.enqueued_at, pgqueue.timeout, pgqueue.priority, pgqueue.attempt, pgqueue.max_attempts,
    pgqueue.queue_name, pgqueue.task_name, pgqueue.args, pgqueue.meta, pgqueue.flow;
