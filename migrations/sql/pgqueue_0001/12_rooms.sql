-- How much room there is under a limit, and taking it: places that leases hold, and tokens of rates. All of
-- it is called under the lock of the gate.

-- The rule for a bucket: its own, or that of its limit. All NULL: there is none.
CREATE FUNCTION pgqueue.rule_of(bucket text) RETURNS pgqueue.limit_rule
LANGUAGE plpgsql STABLE AS $$
DECLARE
    rule pgqueue.limit_rule;
BEGIN
    SELECT r.* INTO rule FROM pgqueue.limit_rule r WHERE r.name = bucket;
    IF NOT FOUND THEN
        SELECT r.* INTO rule FROM pgqueue.limit_rule r WHERE r.name = split_part(bucket, ':', 1);
    END IF;
    RETURN rule;
END
$$;

-- How many places and how many tokens a bucket has left at this moment. NULL: any number.
CREATE FUNCTION pgqueue.room_of(bucket text, rule pgqueue.limit_rule, OUT places integer, OUT tokens double precision)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    known pgqueue.bucket;
    most  integer := coalesce(rule.burst, rule.rate);
BEGIN
    IF rule.concurrency IS NOT NULL THEN
        SELECT rule.concurrency - count(*) INTO places FROM pgqueue.slot s WHERE s.bucket = room_of.bucket;
    END IF;
    IF rule.rate IS NULL THEN
        RETURN;
    END IF;
    SELECT b.* INTO known FROM pgqueue.bucket b WHERE b.name = room_of.bucket;
    IF known.kept_until > clock_timestamp() AND known.kept_since >= rule.changed_at THEN
        tokens := 0;
    ELSIF rule.sliding THEN
        SELECT rule.rate - coalesce(sum(r.weight), 0) INTO tokens
        FROM pgqueue.rated_start r WHERE r.bucket = room_of.bucket AND r.at > clock_timestamp() - rule.per
          AND r.at <= clock_timestamp();
    ELSIF known.tokens IS NULL THEN
        tokens := most;
    ELSE
        tokens := least(most, known.tokens
            + CASE WHEN known.counted_at > clock_timestamp() THEN most  -- the clock was put back
                   ELSE date_part('epoch', clock_timestamp() - known.counted_at) END
              * rule.rate / date_part('epoch', rule.per));
    END IF;
END
$$;

-- When a bucket will have so many tokens, if nobody takes any until then.
CREATE FUNCTION pgqueue.refilled_at(bucket text, rule pgqueue.limit_rule, tokens double precision, wanted integer)
RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF tokens >= wanted THEN
        RETURN clock_timestamp();
    ELSIF NOT rule.sliding THEN
        RETURN clock_timestamp() + (wanted - tokens) / rule.rate * rule.per;
    END IF;
    RETURN coalesce((
        SELECT min(freed.at) + rule.per
        FROM (SELECT r.at, sum(r.weight) OVER (ORDER BY r.at) AS total
              FROM pgqueue.rated_start r WHERE r.bucket = refilled_at.bucket) AS freed
        WHERE freed.total >= wanted - tokens), clock_timestamp() + rule.per);
END
$$;

-- Enter under all of these limits, or under none. Returns the bucket that is full, or NULL: the places and
-- tokens are taken. A weight above what a rate can ever give counts as all of it.
CREATE FUNCTION pgqueue.enter(
    buckets text[], weights integer[], lease bigint, job_id bigint DEFAULT 0, expires_at timestamptz DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    rules  pgqueue.limit_rule[];
    tokens double precision[];
    needs  integer[];
    room   record;
BEGIN
    FOR i IN 1 .. cardinality(buckets)
    LOOP
        rules[i] := pgqueue.rule_of(buckets[i]);
        CONTINUE WHEN rules[i].name IS NULL;
        SELECT r.* INTO room FROM pgqueue.room_of(buckets[i], rules[i]) AS r;
        tokens[i] := room.tokens;
        needs[i] := least(weights[i], coalesce(rules[i].burst, rules[i].rate));
        IF room.places < 1 OR tokens[i] < needs[i] THEN
            IF room.places < 1 THEN
                PERFORM pgqueue.look_at(buckets[i], clock_timestamp() + interval '2 seconds');
            ELSE
                PERFORM pgqueue.keep_tokens(
                    buckets[i], pgqueue.refilled_at(buckets[i], rules[i], tokens[i], needs[i]));
            END IF;
            RETURN buckets[i];
        END IF;
    END LOOP;
    FOR i IN 1 .. cardinality(buckets)
    LOOP
        IF rules[i].rate IS NOT NULL THEN
            PERFORM pgqueue.take_tokens(buckets[i], rules[i], tokens[i], needs[i]);
        END IF;
        IF rules[i].name IS NOT NULL OR buckets[i] !~ '^(queue|task):' OR enter.job_id = 0 THEN
            INSERT INTO pgqueue.slot (bucket, lease, job_id, expires_at)
            VALUES (buckets[i], enter.lease, enter.job_id, enter.expires_at);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- Let nobody have tokens until there are enough for who came first.
CREATE FUNCTION pgqueue.keep_tokens(bucket text, until timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pgqueue.bucket AS b (name, kept_since, kept_until)
    VALUES (keep_tokens.bucket, clock_timestamp(), keep_tokens.until)
    ON CONFLICT (name) DO UPDATE SET kept_since = excluded.kept_since, kept_until = excluded.kept_until
    WHERE coalesce(b.kept_until <= clock_timestamp(), true);
    PERFORM pgqueue.look_at(keep_tokens.bucket, keep_tokens.until);
END
$$;

-- Take tokens of a rate. Who waits for more is looked at as soon as there is one.
CREATE FUNCTION pgqueue.take_tokens(bucket text, rule pgqueue.limit_rule, tokens double precision, taken integer)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF rule.sliding THEN
        DELETE FROM pgqueue.rated_start r
        WHERE r.bucket = take_tokens.bucket AND r.at <= clock_timestamp() - rule.per;
        INSERT INTO pgqueue.rated_start (bucket, at, weight) VALUES (take_tokens.bucket, clock_timestamp(), taken);
    ELSE
        INSERT INTO pgqueue.bucket (name, tokens, counted_at)
        VALUES (take_tokens.bucket, tokens - taken, clock_timestamp())
        ON CONFLICT (name) DO UPDATE SET tokens = excluded.tokens, counted_at = excluded.counted_at;
    END IF;
    IF EXISTS (SELECT FROM pgqueue.gate g WHERE g.state = 'closed' AND g.blocker = take_tokens.bucket) THEN
        PERFORM pgqueue.look_at(
            take_tokens.bucket, pgqueue.refilled_at(take_tokens.bucket, rule, tokens - taken, 1));
    END IF;
END
$$;
