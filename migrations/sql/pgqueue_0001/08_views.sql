CREATE VIEW pgqueue.jobs AS
SELECT j.id, j.queue, j.task,
       CASE WHEN j.lease IS NOT NULL THEN 'running'
            WHEN j.ready_xid IS NOT NULL THEN 'queued'
            WHEN j.blocked THEN 'blocked'
            WHEN j.attempt > 0 THEN 'retrying'
            ELSE 'scheduled' END AS state,
       j.priority, j.attempt, j.max_attempts, j.run_at, j.enqueued_at, j.started_at,
       NULL::timestamptz AS finished_at, j.timeout, j.args, j.tags, j.meta, j.progress,
       NULL::jsonb AS result, j.cancel_reason AS reason, j.cancel_requested_at, j.worker_id, j.flow
FROM pgqueue.job j
UNION ALL
SELECT d.id, d.queue, d.task, d.state, d.priority, d.attempt, d.max_attempts, d.run_at, d.enqueued_at,
       d.started_at, d.finished_at, d.timeout, d.args, d.tags, d.meta, d.progress, NULL, d.reason, NULL, d.worker_id,
       d.flow
FROM pgqueue.job_dead d
UNION ALL
SELECT s.id, s.queue, s.task, 'succeeded', s.priority, s.attempt, s.max_attempts, s.run_at, s.enqueued_at,
       s.started_at, s.finished_at, NULL, s.args, s.tags, s.meta, s.progress, s.result, NULL, NULL, s.worker_id,
       NULL
FROM pgqueue.job_done s;

CREATE VIEW pgqueue.dead_jobs AS
SELECT d.id, d.queue, d.task, d.state, d.reason, d.attempt, d.max_attempts, d.args, d.enqueued_at,
       d.finished_at, d.tags, d.meta
FROM pgqueue.job_dead d;

CREATE VIEW pgqueue.failures AS
SELECT f.id, f.job_id, f.attempt, f.queue, f.task, f.error_type, f.message, f.traceback, f.fingerprint,
       f.started_at, f.failed_at, f.worker_id, f.place
FROM pgqueue.failure f;

CREATE VIEW pgqueue.error_groups AS
SELECT f.fingerprint, f.task, f.error_type, max(f.place) AS place, min(f.message) AS example, count(*) AS failures,
       count(DISTINCT f.job_id) AS jobs, min(f.failed_at) AS first_seen, max(f.failed_at) AS last_seen
FROM pgqueue.failure f
GROUP BY f.fingerprint, f.task, f.error_type;

CREATE VIEW pgqueue.workers AS
SELECT w.id, w.name, w.host, w.pid, w.version, w.queues, w.tasks, w.concurrency, w.running, w.started_at,
       w.seen_at, w.draining_at,
       CASE WHEN w.seen_at + w.lease_for < now() THEN 'lost'
            WHEN w.draining_at IS NULL THEN 'running'
            WHEN w.quiet THEN 'quiet'
            ELSE 'draining' END AS state,
       w.seen_at + w.lease_for AS lease_expires_at, x.wish, x.wished_at, x.wished_by
FROM pgqueue.worker w LEFT JOIN pgqueue.wish x ON x.worker_id = w.id;

CREATE VIEW pgqueue.queue_stats AS
SELECT q.name AS queue,
       coalesce(live.queued, 0) AS queued,
       coalesce(live.running, 0) AS running,
       coalesce(live.scheduled, 0) AS scheduled,
       coalesce(live.retrying, 0) AS retrying,
       coalesce(live.blocked, 0) AS blocked,
       coalesce(gone.dead, 0) AS dead,
       live.oldest_queued_at,
       (SELECT count(*) FROM pgqueue.worker w
        WHERE q.name = ANY (w.queues) AND w.seen_at + w.lease_for >= now() AND w.draining_at IS NULL) AS workers,
       paused.paused_at, paused.paused_by, paused.pause_reason, paused.paused_until,
       CASE WHEN settings.name IS NULL THEN interval '7 days' ELSE settings.keep_succeeded END AS keep_succeeded,
       coalesce(settings.keep_dead, interval '30 days') AS keep_dead,
       settings.ageing
FROM (SELECT name FROM pgqueue.queue
      UNION SELECT queue FROM pgqueue.job
      UNION SELECT queue FROM pgqueue.job_dead) AS q
LEFT JOIN pgqueue.queue settings ON settings.name = q.name
LEFT JOIN pgqueue.queue paused
    ON paused.name = q.name AND paused.paused_at IS NOT NULL AND coalesce(paused.paused_until > now(), true)
LEFT JOIN (
    SELECT j.queue,
           count(*) FILTER (WHERE j.lease IS NULL AND j.ready_xid IS NOT NULL) AS queued,
           count(*) FILTER (WHERE j.lease IS NOT NULL) AS running,
           count(*) FILTER (WHERE j.ready_xid IS NULL AND j.blocked IS NULL AND j.attempt = 0) AS scheduled,
           count(*) FILTER (WHERE j.ready_xid IS NULL AND j.blocked IS NULL AND j.attempt > 0) AS retrying,
           count(*) FILTER (WHERE j.blocked AND j.lease IS NULL) AS blocked,
           min(greatest(j.run_at, j.enqueued_at)) FILTER (WHERE j.lease IS NULL AND j.ready_xid IS NOT NULL)
               AS oldest_queued_at
    FROM pgqueue.job j GROUP BY j.queue
) AS live ON live.queue = q.name
LEFT JOIN (
    SELECT d.queue, count(*) FILTER (WHERE d.state = 'dead') AS dead
    FROM pgqueue.job_dead d GROUP BY d.queue
) AS gone ON gone.queue = q.name;
