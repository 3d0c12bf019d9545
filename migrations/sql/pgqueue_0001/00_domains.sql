-- What a value of a job has to keep to, whoever writes it. The name of a constraint is a sentence, because
-- it is the error message that a plain INSERT or COPY gets. Domains, because every statement parses all
-- CHECK constraints of its table anew, 4 µs each, while a domain is parsed once in a session, and looked
-- at only where its column is written. NOT NULL and DEFAULT stay with the columns.

CREATE DOMAIN pgqueue.run_at AS timestamptz
    CONSTRAINT "run_at lies between the years 2 and 9998"
    CHECK (VALUE >= '0002-01-01 00:00:00+00' AND VALUE < '9999-01-01 00:00:00+00');
COMMENT ON DOMAIN pgqueue.run_at IS
    'When a job is due: an instant that Python and interval arithmetic can hold.';

CREATE DOMAIN pgqueue.enqueued_at AS timestamptz
    CONSTRAINT "enqueued_at lies between the years 2 and 9998"
    CHECK (VALUE >= '0002-01-01 00:00:00+00' AND VALUE < '9999-01-01 00:00:00+00');
COMMENT ON DOMAIN pgqueue.enqueued_at IS
    'When a job came: an instant that Python and interval arithmetic can hold.';

CREATE DOMAIN pgqueue.timeout AS interval
    CONSTRAINT "timeout is longer than zero" CHECK (VALUE > interval '0');
COMMENT ON DOMAIN pgqueue.timeout IS 'How long one attempt may take.';

CREATE DOMAIN pgqueue.priority AS smallint
    CONSTRAINT "priority lies between -10 and 10" CHECK (VALUE BETWEEN -10 AND 10);
COMMENT ON DOMAIN pgqueue.priority IS 'A higher one runs first.';

CREATE DOMAIN pgqueue.attempt AS smallint
    CONSTRAINT "attempt is not negative" CHECK (VALUE >= 0);
COMMENT ON DOMAIN pgqueue.attempt IS 'The number of an attempt, from 1; before the first one 0.';

CREATE DOMAIN pgqueue.max_attempts AS smallint
    CONSTRAINT "max_attempts lies between 1 and 1000" CHECK (VALUE BETWEEN 1 AND 1000);
COMMENT ON DOMAIN pgqueue.max_attempts IS 'How many attempts a job has.';

CREATE DOMAIN pgqueue.queue_name AS text
    CONSTRAINT "queue name has 1 to 100 bytes" CHECK (octet_length(VALUE) BETWEEN 1 AND 100);
COMMENT ON DOMAIN pgqueue.queue_name IS 'The name of a queue.';

CREATE DOMAIN pgqueue.task_name AS text
    CONSTRAINT "task name has 1 to 200 bytes" CHECK (octet_length(VALUE) BETWEEN 1 AND 200);
COMMENT ON DOMAIN pgqueue.task_name IS 'The name of a task.';

CREATE DOMAIN pgqueue.args AS jsonb
    CONSTRAINT "args is a JSON object" CHECK (jsonb_typeof(VALUE) = 'object');
COMMENT ON DOMAIN pgqueue.args IS 'The arguments of a task, by parameter name.';

CREATE DOMAIN pgqueue.meta AS jsonb
    CONSTRAINT "meta is a JSON object" CHECK (jsonb_typeof(VALUE) = 'object');
COMMENT ON DOMAIN pgqueue.meta IS 'What travels with a job and means nothing to pgqueue.';

CREATE DOMAIN pgqueue.flow AS jsonb
    CONSTRAINT "flow is a JSON object" CHECK (jsonb_typeof(VALUE) = 'object')
    -- What check_flow() sees to. Who writes a row by hand must not stop those that read all rows, either.
    CONSTRAINT "times of flow lie between the years 2 and 9998"
    CHECK (VALUE IS NULL
           OR (VALUE ->> 'expires_at')::timestamptz >= '0002-01-01 00:00:00+00'
              AND (VALUE ->> 'expires_at')::timestamptz < '9999-01-01 00:00:00+00'
              AND (VALUE ->> 'retry_until')::timestamptz >= '0002-01-01 00:00:00+00'
              AND (VALUE ->> 'retry_until')::timestamptz < '9999-01-01 00:00:00+00')
    CONSTRAINT "limits of flow are an object of weights"
    CHECK (VALUE IS NULL
           OR jsonb_typeof(VALUE -> 'limits') = 'object'
              AND NOT VALUE @? 'strict $.limits.* ? (@.type() != "number" || @ < 1 || @ > 9999999)');
COMMENT ON DOMAIN pgqueue.flow IS 'The flow options of a job, in the form that check_flow() gives them.';
