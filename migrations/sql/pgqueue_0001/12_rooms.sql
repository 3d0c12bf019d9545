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

-- How much room a bucket has at this moment. It reads every slot of the bucket, and those given back, too,
-- while an old transaction keeps them from being removed.
CREATE FUNCTION pgqueue.room_of(bucket text, rule pgqueue.limit_rule) RETURNS pgqueue.room
LANGUAGE plpgsql STABLE AS $$
DECLARE
    known pgqueue.bucket;
    room  pgqueue.room := (clock_timestamp(), NULL, NULL, 0);
    most  integer := coalesce(rule.burst, rule.rate);
BEGIN
    IF rule.concurrency IS NOT NULL THEN
        room.places := rule.concurrency - (SELECT count(*) FROM pgqueue.slot s WHERE s.bucket = room_of.bucket);
    END IF;
    IF rule.rate IS NULL THEN
        RETURN room;
    END IF;
    SELECT b.* INTO known FROM pgqueue.bucket b WHERE b.name = room_of.bucket;
    IF known.kept_until > room.counted_at AND known.kept_since >= rule.changed_at THEN
        room.tokens := 0;
    ELSIF rule.sliding THEN
        room.tokens := rule.rate - coalesce((
            SELECT sum(r.weight) FROM pgqueue.rated_start r
            WHERE r.bucket = room_of.bucket AND r.at > room.counted_at - rule.per AND r.at <= room.counted_at), 0);
    ELSIF known.tokens IS NULL THEN
        room.tokens := most;
    ELSE
        room.tokens := least(most, known.tokens
            + CASE WHEN known.counted_at > room.counted_at THEN most  -- the clock was put back
                   ELSE date_part('epoch', room.counted_at - known.counted_at) END
              * rule.rate / date_part('epoch', rule.per));
    END IF;
    RETURN room;
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

-- Enter under all of these limits; or under none: the `hurdle` is the bucket that is full, `of_places` or of
-- tokens. One where others may have to give way is told only if nothing else stands in the way. A weight above
-- what a rate can ever give counts as all of it. The places are taken at once, the tokens by take_tokens() at
-- the end: `rooms` are those of the buckets that this and earlier calls have `counted` since, so that a claim
-- counts each once and not for every job.
CREATE FUNCTION pgqueue.enter(
    buckets text[], weights integer[], lease bigint, job_id bigint, expires_at timestamptz,
    INOUT counted text[], INOUT rooms pgqueue.room[], OUT hurdle text, OUT of_places boolean
)
LANGUAGE plpgsql AS $$
DECLARE
    rules pgqueue.limit_rule[];
    needs integer[];
    known integer[];
    room  pgqueue.room;
BEGIN
    of_places := false;
    FOR i IN 1 .. cardinality(buckets)
    LOOP
        rules[i] := pgqueue.rule_of(buckets[i]);
        CONTINUE WHEN rules[i].name IS NULL;
        known[i] := array_position(counted, buckets[i]);
        IF known[i] IS NULL THEN
            counted := counted || buckets[i];
            rooms := rooms || pgqueue.room_of(buckets[i], rules[i]);
            known[i] := cardinality(counted);
        END IF;
        room := rooms[known[i]];
        needs[i] := least(weights[i], coalesce(rules[i].burst, rules[i].rate));
        IF room.places < 1 AND rules[i].when_full = 'wait' THEN
            PERFORM pgqueue.look_at(buckets[i], clock_timestamp() + interval '2 seconds');
            hurdle := buckets[i];
            of_places := true;
            RETURN;
        ELSIF rules[i].rate IS NOT NULL AND room.tokens < needs[i] THEN
            PERFORM pgqueue.keep_tokens(buckets[i], pgqueue.refilled_at(buckets[i], rules[i], room.tokens, needs[i]));
            hurdle := buckets[i];
            of_places := false;
            RETURN;
        ELSIF room.places < 1 THEN
            hurdle := coalesce(hurdle, buckets[i]);
            of_places := true;
        END IF;
    END LOOP;
    IF hurdle IS NOT NULL THEN
        PERFORM pgqueue.look_at(hurdle, clock_timestamp() + interval '2 seconds');
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(buckets)
    LOOP
        IF rules[i].name IS NOT NULL THEN
            room := rooms[known[i]];
            room.places := room.places - 1;
            IF rules[i].rate IS NOT NULL THEN
                room.tokens := room.tokens - needs[i];
                room.taken := room.taken + needs[i];
            END IF;
            rooms[known[i]] := room;
        END IF;
        IF rules[i].name IS NOT NULL OR buckets[i] !~ '^(queue|task):' OR enter.job_id = 0 THEN
            INSERT INTO pgqueue.slot (bucket, lease, job_id, expires_at)
            VALUES (buckets[i], enter.lease, enter.job_id, enter.expires_at);
        END IF;
    END LOOP;
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

-- Take the tokens that were given away since their buckets were counted. Who waits for more is looked at as
-- soon as there is one.
CREATE FUNCTION pgqueue.take_tokens(counted text[], rooms pgqueue.room[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    rule pgqueue.limit_rule;
BEGIN
    FOR i IN 1 .. cardinality(counted)
    LOOP
        CONTINUE WHEN rooms[i].taken = 0;
        rule := pgqueue.rule_of(counted[i]);
        CONTINUE WHEN rule.rate IS NULL OR rooms[i].tokens IS NULL;  -- somebody has just changed it
        IF rule.sliding THEN
            DELETE FROM pgqueue.rated_start r WHERE r.bucket = counted[i] AND r.at <= clock_timestamp() - rule.per;
            INSERT INTO pgqueue.rated_start (bucket, at, weight)
            VALUES (counted[i], clock_timestamp(), rooms[i].taken);
        ELSE
            INSERT INTO pgqueue.bucket (name, tokens, counted_at)
            VALUES (counted[i], rooms[i].tokens, rooms[i].counted_at)
            ON CONFLICT (name) DO UPDATE SET tokens = excluded.tokens, counted_at = excluded.counted_at;
        END IF;
        IF EXISTS (SELECT FROM pgqueue.gate g WHERE g.state = 'closed' AND g.blocker = counted[i]) THEN
            PERFORM pgqueue.look_at(counted[i], pgqueue.refilled_at(counted[i], rule, rooms[i].tokens, 1));
        END IF;
    END LOOP;
END
$$;
