-- How sentences say times, numbers and names.

CREATE FUNCTION pgqueue.say(at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC';
END
$$;

-- The same for programs, whatever the time zone of the session.
CREATE FUNCTION pgqueue.instant(at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END
$$;

-- What somebody wrote, short enough for a sentence that goes on after it; NULL: nothing.
CREATE FUNCTION pgqueue.quote(words text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN nullif(rtrim(left(split_part(btrim(words, E' \n'), E'\n', 1), 200), ' .'), '');
END
$$;

-- So many jobs; those who count stop after 1000.
CREATE FUNCTION pgqueue.say_jobs(number bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN number > 1000 THEN 'more than 1000 jobs' WHEN number = 1 THEN '1 job' ELSE number || ' jobs' END;
END
$$;

-- The first names of a list, and how many more there are.
CREATE FUNCTION pgqueue.say_list(names text[], total bigint, other text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN array_to_string(names, ', ')
        || CASE WHEN total > cardinality(names) THEN format(' and %s %s', total - cardinality(names), other) ELSE '' END;
END
$$;

-- Which of these names is nearly this one, by the number of letters to change (Levenshtein). NULL: none.
CREATE FUNCTION pgqueue.closest(name text, names text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    most   integer := greatest(2, length(name) / 4);
    best   text;
    known  text;
    line   integer[];
    before integer[];
BEGIN
    FOREACH known IN ARRAY coalesce(names, '{}')
    LOOP
        CONTINUE WHEN abs(length(known) - length(name)) > most;
        line := ARRAY(SELECT generate_series(0, length(known)));
        FOR i IN 1 .. length(name)
        LOOP
            before := line;
            line[1] := i;
            FOR k IN 1 .. length(known)
            LOOP
                line[k + 1] := least(before[k + 1] + 1, line[k] + 1,
                                     before[k] + (substr(name, i, 1) <> substr(known, k, 1))::integer);
            END LOOP;
        END LOOP;
        IF line[length(known) + 1] <= most THEN
            best := known;
            most := line[length(known) + 1] - 1;
        END IF;
    END LOOP;
    RETURN best;
END
$$;
