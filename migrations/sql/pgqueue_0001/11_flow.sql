-- Flow: what may hold a job back besides time. A job with flow options, and one whose queue, task or tag
-- is limited or paused, waits at the gate, and claim_gated() lets it through. Nothing here counts: who
-- runs is told by live leases, so a slot cannot leak.

-- One row for each live job that goes through the gate; made from job.flow, and made again by line_up().
-- open: may be picked. closed: waits for its blocker. held: runs. away: waits for its time, but keeps its
-- turn. ended: its job is over, and the next look settles what that frees.
CREATE TABLE pgqueue.gate (
    job_id        bigint PRIMARY KEY,
    queue         text NOT NULL,
    task          text NOT NULL,
    tags          text[],
    priority      smallint NOT NULL,
    state         text NOT NULL DEFAULT 'open'
        CONSTRAINT "state is open, closed, held, away or ended"
        CHECK (state IN ('open', 'closed', 'held', 'away', 'ended')),
    blocker       text COLLATE "C"
        CONSTRAINT "who is closed has a blocker" CHECK ((blocker IS NOT NULL) = (state = 'closed')),
    lease         bigint,
    fair_key      text NOT NULL DEFAULT '',
    order_key     text,
    skips_failing boolean NOT NULL DEFAULT false,
    buckets       text[] NOT NULL DEFAULT '{}',
    weights       integer[] NOT NULL DEFAULT '{}',
    expires_at    timestamptz
) WITH (fillfactor = 70, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX gate_open ON pgqueue.gate (queue, fair_key, priority DESC, job_id) WHERE state = 'open';
CREATE INDEX gate_closed ON pgqueue.gate (blocker, queue, fair_key, priority DESC, job_id) WHERE state = 'closed';
CREATE INDEX gate_held ON pgqueue.gate (queue, order_key) WHERE state IN ('held', 'ended');
CREATE INDEX gate_order ON pgqueue.gate (queue, order_key, job_id) WHERE order_key IS NOT NULL;
CREATE INDEX gate_expires ON pgqueue.gate (expires_at)
WHERE expires_at IS NOT NULL AND state IN ('open', 'closed');

-- What operators and applications declare about a limit. A rule named "tenant" holds for each bucket
-- "tenant:…" by itself; a rule named "tenant:42" for that one only.
CREATE TABLE pgqueue.limit_rule (
    name        text PRIMARY KEY
        CONSTRAINT "limit name has 1 to 200 bytes" CHECK (octet_length(name) BETWEEN 1 AND 200)
        CONSTRAINT "a limit is not named order or pause" CHECK (name !~ '^(order|pause)( |$)'),
    concurrency integer
        CONSTRAINT "concurrency is at least 1" CHECK (concurrency >= 1),
    rate        integer
        CONSTRAINT "rate is at least 1" CHECK (rate >= 1),
    per         interval
        CONSTRAINT "per is longer than zero, at most a year" CHECK (per > interval '0' AND per <= interval '366 days'),
    burst       integer
        CONSTRAINT "burst is at least 1" CHECK (burst >= 1),
    sliding     boolean NOT NULL DEFAULT false
        CONSTRAINT "a sliding window has no burst" CHECK (NOT sliding OR burst IS NULL),
    when_full   text NOT NULL DEFAULT 'wait'
        CONSTRAINT "when_full is wait, cancel_newest or cancel_running"
        CHECK (when_full IN ('wait', 'cancel_newest', 'cancel_running')),
    declared    boolean NOT NULL DEFAULT false,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT "a limit has a concurrency or a rate" CHECK (concurrency IS NOT NULL OR rate IS NOT NULL),
    CONSTRAINT "rate and per come together" CHECK ((rate IS NULL) = (per IS NULL)),
    CONSTRAINT "burst needs a rate" CHECK (burst IS NULL OR rate IS NOT NULL),
    CONSTRAINT "when_full is about a concurrency" CHECK (when_full = 'wait' OR concurrency IS NOT NULL)
);

-- Who holds a place under a limit: a job by its lease, or a process outside of jobs until expires_at.
CREATE TABLE pgqueue.slot (
    bucket     text NOT NULL,
    lease      bigint NOT NULL,
    job_id     bigint NOT NULL DEFAULT 0,
    taken_at   timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (bucket, job_id, lease)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);

-- The tokens of a bucket's rate at one moment; until when they are kept for a heavy job, which light ones
-- would overtake for ever; and where the last look at who waits ended, where there are too many for one.
CREATE TABLE pgqueue.bucket (
    name       text PRIMARY KEY,
    tokens     double precision,
    counted_at timestamptz,
    kept_since timestamptz,
    kept_until timestamptz,
    last_queue text,
    last_key   text
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_cost_delay = 0);

-- What is known of a bucket: the places and tokens that it had left at a moment (NULL: any number), and how
-- many of those tokens were taken since.
CREATE TYPE pgqueue.room AS (counted_at timestamptz, places integer, tokens double precision, taken integer);

-- When to look at who waits for a bucket or a pause. Rows are only added and taken, never changed, so that
-- an open transaction of an operator keeps nobody waiting.
CREATE TABLE pgqueue.look (
    blocker text NOT NULL,
    at      timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX look_at ON pgqueue.look (at);
CREATE INDEX look_blocker ON pgqueue.look (blocker, at);

-- Starts under a sliding window, as long as they lie in it.
CREATE TABLE pgqueue.rated_start (
    bucket text NOT NULL,
    at     timestamptz NOT NULL,
    weight integer NOT NULL
);
CREATE INDEX rated_start_bucket ON pgqueue.rated_start (bucket, at);

-- How far each tenant of a queue has been served, by its weight: who is behind comes first. Jobs without a
-- fair_key are one more tenant, ''.
CREATE TABLE pgqueue.share (
    queue    text NOT NULL,
    fair_key text NOT NULL,
    served   double precision NOT NULL,
    PRIMARY KEY (queue, fair_key)
) WITH (fillfactor = 50);

-- How far a queue with tenants is, which is where newcomers begin: who was away saves nothing up.
CREATE TABLE pgqueue.fair_line (
    queue  text PRIMARY KEY,
    served double precision NOT NULL
) WITH (fillfactor = 50);

-- Tenants that get more than others, or less. Whoever is not here has the weight 1.
CREATE TABLE pgqueue.fair_weight (
    queue    text NOT NULL,
    fair_key text NOT NULL,
    weight   integer NOT NULL
        CONSTRAINT "weight lies between 1 and 1000" CHECK (weight BETWEEN 1 AND 1000),
    PRIMARY KEY (queue, fair_key)
);

-- What an operator stopped besides whole queues: a task, a tag, or a tenant (a fair_key).
CREATE TABLE pgqueue.pause (
    kind      text NOT NULL
        CONSTRAINT "kind is task, tag or tenant" CHECK (kind IN ('task', 'tag', 'tenant')),
    name      text NOT NULL
        CONSTRAINT "name of a pause has 1 to 200 bytes" CHECK (octet_length(name) BETWEEN 1 AND 200),
    paused_at timestamptz NOT NULL DEFAULT now(),
    paused_by text NOT NULL,
    reason    text,
    until     timestamptz
        CONSTRAINT "until lies between the years 2 and 9998"
        CHECK (until >= '0002-01-01 00:00:00+00' AND until < '9999-01-01 00:00:00+00'),
    PRIMARY KEY (kind, name)
);

-- Which plain jobs the claimers send to the gate: "queue:x", "task:x", "tag:x", or "all". Follows from
-- limit_rule and pause, and is empty where nobody uses them.
CREATE TABLE pgqueue.detour (
    name text PRIMARY KEY
);
