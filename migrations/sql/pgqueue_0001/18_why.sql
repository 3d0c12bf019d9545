-- Why a job does not run, or what became of it. Everything here only reads, locks nothing, and finds its
-- rows by indexes; so anybody may ask who may read the tables, at any time, on a standby too. What is said
-- holds at the moment of the statement.

-- The sentence for people: what must go away first, then the rest.
CREATE FUNCTION pgqueue.why(id bigint) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT string_agg(
            CASE WHEN r.number = 1 THEN r.sentence
                 WHEN r.code IN ('cancelling', 'expires') THEN ' ' || r.sentence
                 ELSE ' Then ' || lower(left(r.sentence, 1)) || substr(r.sentence, 2) END,
            '' ORDER BY r.number)
        FROM pgqueue.reasons(why.id) WITH ORDINALITY AS r(code, sentence, details, number));
END
$$;

-- The reasons one by one, for programs: codes and details keep their meaning, and the first is what must
-- go away first.
CREATE FUNCTION pgqueue.reasons(id bigint) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE STRICT
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    asked pgqueue.job;
    until timestamptz;
    told  integer := 0;
BEGIN
    SELECT j.* INTO asked FROM pgqueue.job j WHERE j.id = reasons.id;
    IF NOT FOUND THEN
        RETURN QUERY SELECT r.* FROM pgqueue.why_absent(reasons.id) AS r;
        RETURN;
    END IF;
    IF asked.lease IS NOT NULL THEN
        RETURN QUERY SELECT r.* FROM pgqueue.why_running(asked) AS r;
        RETURN;
    END IF;
    IF asked.started_at IS NULL THEN
        until := (asked.flow ->> 'expires_at')::timestamptz;
    END IF;
    IF until <= statement_timestamp() AND asked.blocked THEN
        code := 'expired';
        sentence := format('It was to start by %s, and is cancelled at the next look at the gate.', pgqueue.say(until));
        details := jsonb_build_object('expires_at', pgqueue.instant(until));
        RETURN NEXT;
        RETURN;
    END IF;
    FOR code, sentence, details IN
        SELECT r.* FROM pgqueue.why_later(asked) AS r
        UNION ALL SELECT r.* FROM pgqueue.why_paused(asked) AS r
        UNION ALL SELECT r.* FROM pgqueue.why_unserved(asked) AS r
        UNION ALL SELECT r.* FROM pgqueue.why_locked(asked.id) AS r
        UNION ALL SELECT r.* FROM pgqueue.why_at_gate(asked.id) AS r WHERE asked.blocked
        UNION ALL SELECT r.* FROM pgqueue.why_in_line(asked) AS r WHERE asked.ready_xid IS NOT NULL
    LOOP
        CONTINUE WHEN code = 'next' AND told > 0;
        told := told + 1;
        RETURN NEXT;
    END LOOP;
    IF until IS NOT NULL THEN
        code := 'expires';
        sentence := format(CASE WHEN until > greatest(asked.run_at, statement_timestamp())
                                THEN 'It is cancelled unless it starts by %s.'
                                ELSE 'It cannot start by %s, as it has to, and is cancelled when it comes to the gate.' END,
                           pgqueue.say(until));
        details := jsonb_build_object('expires_at', pgqueue.instant(until));
        RETURN NEXT;
    END IF;
END
$$;

-- A job that is over, or that is not there.
CREATE FUNCTION pgqueue.why_absent(id bigint) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    gone pgqueue.job_dead;
    done pgqueue.job_done;
    last bigint;
    at   timestamptz;
BEGIN
    SELECT d.* INTO gone FROM pgqueue.job_dead d WHERE d.id = why_absent.id;
    IF FOUND THEN
        RETURN QUERY SELECT gone.state, format(
            CASE gone.state WHEN 'dead' THEN 'It is dead since %s, after attempt %s of %s%s; it runs again if it is retried.'
                            ELSE 'It was cancelled at %1$s%4$s; it runs again if it is retried.' END,
            pgqueue.say(gone.finished_at), gone.attempt, gone.max_attempts, ': ' || pgqueue.quote(gone.reason)),
            jsonb_build_object('finished_at', pgqueue.instant(gone.finished_at), 'reason', gone.reason,
                               'attempt', gone.attempt);
        RETURN;
    END IF;
    SELECT d.* INTO done FROM pgqueue.job_done d WHERE d.id = why_absent.id LIMIT 1;
    IF FOUND THEN
        RETURN QUERY SELECT 'succeeded', format(
            'It succeeded at %s, in attempt %s of %s.', pgqueue.say(done.finished_at), done.attempt, done.max_attempts),
            jsonb_build_object('finished_at', pgqueue.instant(done.finished_at), 'attempt', done.attempt);
        RETURN;
    END IF;
    IF has_sequence_privilege('pgqueue.job_id_seq', 'SELECT') THEN
        SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO last FROM pgqueue.job_id_seq s;
    END IF;
    SELECT f.failed_at INTO at FROM pgqueue.failure f WHERE f.job_id = why_absent.id ORDER BY f.id DESC LIMIT 1;
    IF at IS NOT NULL THEN
        RETURN QUERY SELECT 'not_kept', format(
            'Job %s is over and not kept any more; its last failed attempt was at %s.', id, pgqueue.say(at)),
            jsonb_build_object('failed_at', pgqueue.instant(at));
    ELSIF id < 1 OR id > last THEN
        RETURN QUERY SELECT 'never_enqueued', format(
            'Job %s was never enqueued: %s.', id,
            CASE WHEN id < 1 THEN 'numbers begin at 1' WHEN last = 0 THEN 'no number was given yet'
                 ELSE 'the last number given is ' || last END),
            jsonb_build_object('last_id', last);
    ELSE
        RETURN QUERY SELECT 'not_visible', format(
            'Job %s cannot be seen: the transaction that enqueues it has not committed or was rolled back, '
            'or the job is over and not kept any more.', id),
            jsonb_build_object('last_id', last);
    END IF;
END
$$;

-- A job that has a lease.
CREATE FUNCTION pgqueue.why_running(asked pgqueue.job) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    runs  pgqueue.worker;
    facts jsonb := jsonb_build_object('worker_id', asked.worker_id, 'started_at', pgqueue.instant(asked.started_at),
                                      'attempt', asked.attempt);
BEGIN
    SELECT w.* INTO runs FROM pgqueue.worker w WHERE w.id = asked.worker_id;
    facts := facts || jsonb_build_object('worker', runs.name, 'seen_at', pgqueue.instant(runs.seen_at));
    IF runs.id IS NULL THEN
        RETURN QUERY SELECT 'worker_lost', format(
            'Worker %s, which began it at %s, is gone; any live worker takes the job back within two minutes.',
            asked.worker_id, pgqueue.say(asked.started_at)), facts;
    ELSIF runs.seen_at + runs.lease_for < statement_timestamp() THEN
        RETURN QUERY SELECT 'worker_lost', format(
            'Worker "%s" (%s), which began it at %s, is lost: it was last seen at %s; any live worker takes the job '
            'back within seconds.', runs.name, runs.id, pgqueue.say(asked.started_at), pgqueue.say(runs.seen_at)), facts;
    ELSE
        RETURN QUERY SELECT 'running', format(
            'It runs since %s on worker "%s" (%s), in attempt %s of %s; the worker was last seen at %s.',
            pgqueue.say(asked.started_at), runs.name, runs.id, asked.attempt, asked.max_attempts,
            pgqueue.say(runs.seen_at)), facts;
    END IF;
    IF asked.cancel_requested_at IS NOT NULL THEN
        RETURN QUERY SELECT 'cancelling', format('It was asked to stop at %s%s.',
            pgqueue.say(asked.cancel_requested_at), ': ' || pgqueue.quote(asked.cancel_reason)),
            jsonb_build_object('cancel_requested_at', pgqueue.instant(asked.cancel_requested_at),
                               'reason', asked.cancel_reason);
    END IF;
END
$$;

-- A job that waits for its time.
CREATE FUNCTION pgqueue.why_later(asked pgqueue.job) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    failed pgqueue.failure;
    facts  jsonb := jsonb_build_object('run_at', pgqueue.instant(asked.run_at));
    alive  boolean;
BEGIN
    IF asked.ready_xid IS NOT NULL OR asked.blocked THEN
        RETURN;
    END IF;
    IF asked.run_at <= statement_timestamp() THEN
        alive := EXISTS (SELECT FROM pgqueue.worker w WHERE w.seen_at + w.lease_for >= statement_timestamp());
        RETURN QUERY SELECT 'due', format(
            CASE WHEN alive THEN 'It was due at %s, and a live worker puts it in line within seconds.'
                 ELSE 'It was due at %s, but no worker is alive that could put it in line.' END,
            pgqueue.say(asked.run_at)), facts;
        RETURN;
    END IF;
    IF asked.attempt = 0 THEN
        RETURN QUERY SELECT 'scheduled', format('It is scheduled for %s.', pgqueue.say(asked.run_at)), facts;
        RETURN;
    END IF;
    SELECT f.* INTO failed FROM pgqueue.failure f WHERE f.job_id = asked.id ORDER BY f.id DESC LIMIT 1;
    RETURN QUERY SELECT 'retrying', format('It is retried at %s, after attempt %s of %s%s.',
        pgqueue.say(asked.run_at), asked.attempt, asked.max_attempts,
        ': ' || pgqueue.quote(failed.error_type || ': ' || failed.message)),
        facts || jsonb_build_object('attempt', asked.attempt, 'error', failed.error_type || ': ' || failed.message);
END
$$;

-- Pauses of its queue, its task, its tags, its tenant.
CREATE FUNCTION pgqueue.why_paused(asked pgqueue.job) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT p.kind || '_paused',
           format('%s "%s" is paused since %s by %s%s; it goes on %s.', initcap(p.kind), p.name, pgqueue.say(p.paused_at),
                  p.paused_by, ': ' || pgqueue.quote(p.reason),
                  coalesce('at ' || pgqueue.say(p.until), 'when it is resumed')),
           jsonb_build_object('kind', p.kind, 'name', p.name, 'paused_at', pgqueue.instant(p.paused_at),
                              'paused_by', p.paused_by, 'reason', p.reason, 'until', pgqueue.instant(p.until))
    FROM pgqueue.pauses p
    WHERE p.kind = 'queue' AND p.name = asked.queue
       OR p.kind = 'task' AND p.name = asked.task
       OR p.kind = 'tag' AND p.name = ANY (asked.tags)
       OR p.kind = 'tenant' AND p.name = asked.flow ->> 'fair_key'
    ORDER BY array_position(ARRAY['queue', 'task', 'tag', 'tenant'], p.kind), p.name;
END
$$;

-- No worker that would take it.
CREATE FUNCTION pgqueue.why_unserved(asked pgqueue.job) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    serving integer;
    knowing integer;
    served  text[];
    tasks   text[];
BEGIN
    SELECT count(*) FILTER (WHERE asked.queue = ANY (w.queues)),
           count(*) FILTER (WHERE asked.queue = ANY (w.queues) AND asked.task = ANY (w.tasks))
    INTO serving, knowing
    FROM pgqueue.worker w
    WHERE w.seen_at + w.lease_for >= statement_timestamp() AND w.draining_at IS NULL;
    IF knowing > 0 THEN
        RETURN;
    END IF;
    SELECT array_agg(DISTINCT q.name ORDER BY q.name) INTO served
    FROM pgqueue.worker w, unnest(w.queues) AS q(name)
    WHERE w.seen_at + w.lease_for >= statement_timestamp() AND w.draining_at IS NULL;
    IF serving = 0 THEN
        RETURN QUERY SELECT 'queue_without_worker', format('No live worker serves queue "%s": %s.', asked.queue,
            CASE WHEN served IS NULL THEN 'there is no live worker'
                 ELSE 'they serve ' || pgqueue.say_list(
                     ARRAY(SELECT '"' || name || '"' FROM unnest(served[:5]) AS name), cardinality(served), 'more') END),
            jsonb_build_object('queue', asked.queue, 'served', coalesce(served, '{}'));
        RETURN;
    END IF;
    SELECT array_agg(DISTINCT t.name ORDER BY t.name) INTO tasks
    FROM pgqueue.worker w, unnest(w.tasks) AS t(name)
    WHERE w.seen_at + w.lease_for >= statement_timestamp() AND w.draining_at IS NULL AND asked.queue = ANY (w.queues);
    RETURN QUERY SELECT 'unknown_task', format('No live worker of queue "%s" knows task "%s".%s', asked.queue, asked.task,
        ' Did you mean "' || pgqueue.closest(asked.task, tasks) || '"?'),
        jsonb_build_object('queue', asked.queue, 'task', asked.task, 'closest', pgqueue.closest(asked.task, tasks));
END
$$;

-- Somebody's open transaction that has its row. Claims pass such a row over. A row names who locked it
-- last; whether that transaction still goes on is known from its lock on its own number.
CREATE FUNCTION pgqueue.why_locked(id bigint) RETURNS TABLE (code text, sentence text, details jsonb)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    holder xid := (SELECT j.xmax FROM pgqueue.job j WHERE j.id = why_locked.id);
BEGIN
    IF holder = '0' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 'locked',
           format('Its row is locked by an open transaction%s; no worker takes it before that ends.',
                  ' (process ' || l.pid || coalesce(', "' || nullif(a.application_name, '') || '"', '') || ')'),
           jsonb_build_object('pid', l.pid, 'application', a.application_name, 'since', pgqueue.instant(a.xact_start))
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'transactionid' AND l.transactionid = holder AND l.mode = 'ExclusiveLock' AND l.granted;
END
$$;
