-- The scoreboard: what happened, by model, kind of work and window. Computed from llm_interaction, llm_attempt and
-- llm_feedback; it can be dropped and computed again at any time.

-- Whether a call speaks for its model: answered, and the answer says nothing against itself, unless somebody judged it, who
-- knows better. One rule for the scoreboard and for probes; SQL, so that the planner writes it into the query.
CREATE FUNCTION call_succeeded(outcome text, signal text, is_judged boolean) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT outcome = 'answered' AND (signal IS NULL OR is_judged) $$;

CREATE TABLE model_scoreboard (
    -- `<server>/<model id>`.
    model_key             text NOT NULL,
    category              text NOT NULL,
    -- The strength that the category weighs most, by the contract.
    strength              text NOT NULL,
    window_days           integer NOT NULL,
    provider              text,
    -- Calls whose last try was this model's and which say something of it: answered, failed, cut.
    calls                 bigint NOT NULL,
    successes             bigint NOT NULL,
    success_rate          double precision NOT NULL,
    -- Of successes, exact (percentile_disc).
    p50_latency_ms        bigint,
    p99_latency_ms        bigint,
    p50_first_token_ms    bigint,
    p99_first_token_ms    bigint,
    -- Milliseconds an output token after the first, median.
    p50_token_ms          double precision,
    -- All tries of its calls, failed ones included; NULL where any of it is unknown.
    cost_pusd             numeric,
    cost_per_success_pusd numeric,
    -- 0 to 1, over the calls that somebody judged; NULL where nobody did.
    quality               double precision,
    -- feedback; NULL where nobody judged.
    quality_source        text,
    judged                bigint NOT NULL,
    input_tokens          bigint NOT NULL,
    output_tokens         bigint NOT NULL,
    cache_read_tokens     bigint NOT NULL,
    cache_write_tokens    bigint NOT NULL,
    cache_savings_pusd    numeric NOT NULL,
    -- Mean share of the context, and how many calls were above the contract's limit.
    context_utilisation   double precision,
    context_above         bigint NOT NULL,
    abstentions           bigint NOT NULL,
    -- First and last call.
    first_at              timestamptz NOT NULL,
    last_at               timestamptz NOT NULL,
    computed_at           timestamptz NOT NULL,
    PRIMARY KEY (model_key, category, strength, window_days)
);

-- How far the roll-up of each kind has come: what was ingested before need not be looked at again.
CREATE TABLE scoreboard_rollup (
    kind        text PRIMARY KEY,
    until       timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    took_ms     bigint NOT NULL,
    rows        bigint NOT NULL
);

-- Prices as they were billed (FIX-75).
CREATE TABLE model_pricing_catalog (
    model_key             text PRIMARY KEY,
    -- Calls with known tokens and known cost.
    samples               bigint NOT NULL,
    input_usd_per_mtok    numeric,
    output_usd_per_mtok   numeric,
    blended_usd_per_mtok  numeric NOT NULL,
    -- low, medium, high: the contract's pricing_confidence.
    confidence            text NOT NULL,
    -- What the catalog listed when this was computed, blended in the same way; NULL where it lists nothing.
    listed_usd_per_mtok   numeric,
    first_at              timestamptz NOT NULL,
    last_at               timestamptz NOT NULL,
    computed_at           timestamptz NOT NULL
);
