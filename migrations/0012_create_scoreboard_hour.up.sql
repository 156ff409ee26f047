-- What the calls of an hour say, and of a day: windows of the scoreboard are made of these rows, so that a pass reads only the calls
-- of those hours of which something came. All of it can be dropped and computed again at any time, and goes with the partition
-- of its calls.

-- The whole hour (UTC) in which a moment lies.
CREATE FUNCTION hour_of(moment timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT date_bin('1 hour', moment, TIMESTAMPTZ '2000-01-01 00:00:00+00') $$;

-- Whether what a call cost is its tokens at the model's prices and nothing else. One rule for prices and for where they are looked for.
CREATE FUNCTION call_tells_price(outcome text, attempts smallint, cost bigint, input bigint, output bigint, cache_read bigint,
        cache_write bigint) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT outcome = 'answered' AND attempts = 1 AND cost IS NOT NULL AND input + output > 0
        AND coalesce(cache_read, 0) = 0 AND coalesce(cache_write, 0) = 0 $$;

-- One array of all.
CREATE AGGREGATE concatenated(double precision[]) (SFUNC = array_cat, STYPE = double precision[], INITCOND = '{}');

CREATE TABLE scoreboard_hour (
    -- The partition of the calls. A call that began before midnight may have an id of after.
    day                date NOT NULL,
    hour               timestamptz NOT NULL,
    namespace          text NOT NULL,
    model_key          text NOT NULL,
    category           text NOT NULL,
    -- Empty where nobody said.
    provider           text NOT NULL,
    -- As in model_scoreboard; `served` are those whose last try was this model's, the others it was tried for in vain.
    calls              bigint NOT NULL,
    served             bigint NOT NULL,
    successes          bigint NOT NULL,
    -- What was measured at successes, ascending.
    latency_ms         double precision[] NOT NULL,
    first_token_ms     double precision[] NOT NULL,
    token_ms           double precision[] NOT NULL,
    -- The known part, and at how many calls it is unknown.
    cost_pusd          numeric NOT NULL,
    cost_unknown       bigint NOT NULL,
    -- Sum over the calls that somebody judged.
    quality            numeric NOT NULL,
    judged             bigint NOT NULL,
    input_tokens       bigint NOT NULL,
    output_tokens      bigint NOT NULL,
    cache_read_tokens  bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    cache_savings_pusd numeric NOT NULL,
    -- Sum over the calls that say it, how many those are, and how many of them are above the contract's limit.
    context            double precision NOT NULL,
    context_known      bigint NOT NULL,
    context_above      bigint NOT NULL,
    abstentions        bigint NOT NULL,
    -- Calls that tell a price.
    priced             bigint NOT NULL,
    first_at           timestamptz NOT NULL,
    last_at            timestamptz NOT NULL,
    PRIMARY KEY (day, hour, namespace, model_key, category, provider)
) WITH (toast_tuple_target = 8160);
-- Arrays are searched by halves: unpacking them would cost more than what packing saves. No plan depends on what is in them.
ALTER TABLE scoreboard_hour
    ALTER latency_ms SET STORAGE EXTERNAL, ALTER latency_ms SET STATISTICS 0,
    ALTER first_token_ms SET STORAGE EXTERNAL, ALTER first_token_ms SET STATISTICS 0,
    ALTER token_ms SET STORAGE EXTERNAL, ALTER token_ms SET STATISTICS 0;

-- The hours of a day together; `hour` is the first of them. A window reads these, and hours only of the days that it begins in.
CREATE TABLE scoreboard_day (LIKE scoreboard_hour INCLUDING STORAGE, PRIMARY KEY (day, namespace, model_key, category, provider));
ALTER TABLE scoreboard_day
    ALTER latency_ms SET STATISTICS 0, ALTER first_token_ms SET STATISTICS 0, ALTER token_ms SET STATISTICS 0;

-- How many calls there were in an hour when it was counted, those that say nothing of a model too. Where a day has more or fewer,
-- something happened that nobody noticed.
CREATE TABLE scoreboard_hour_count (
    day   date NOT NULL,
    hour  timestamptz NOT NULL,
    calls bigint NOT NULL,
    PRIMARY KEY (day, hour)
);

-- How far hours are counted; one row. Where there is none, or the contract's limit for contexts is another one, all is counted anew.
CREATE TABLE scoreboard_progress (
    until         timestamptz NOT NULL,
    context_limit double precision NOT NULL
);
