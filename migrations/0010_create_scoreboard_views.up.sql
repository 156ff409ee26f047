-- What people and programs may read of the scoreboard: views whose columns stay, whatever becomes of the tables. A column may be
-- added at the end; anything else is a new view, with a higher number. Documented in docs/scoreboard.md.

-- What the catalogs say of the models on the scoreboard. The roll-up writes it anew: only programs know a source's server key.
CREATE TABLE model_listing (
    model_key           text PRIMARY KEY,
    tier                text NOT NULL,
    input_usd_per_mtok  numeric,
    output_usd_per_mtok numeric
);

CREATE INDEX llm_feedback_by_arrival ON llm_feedback USING brin (ingested_at);

CREATE VIEW scoreboard_v1 AS
SELECT model_key, category, strength, window_days, provider, calls, successes, success_rate,
    p50_latency_ms, p99_latency_ms, p50_first_token_ms, p99_first_token_ms, p50_token_ms,
    cost_pusd * 1e-12 AS cost_usd, cost_per_success_pusd * 1e-12 AS cost_per_success_usd,
    quality, quality_source, judged, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    cache_savings_pusd * 1e-12 AS cache_savings_usd, context_utilisation, context_above, abstentions,
    first_at, last_at, computed_at
FROM model_scoreboard;

-- A condition on `day` (UTC) keeps it to the partitions of those days.
CREATE VIEW calls_v1 AS
SELECT day, decision, trace, interaction, started_at, namespace, policy, policy_generation, snapshot, sidecar, endpoint,
    session, category, complexity, streamed, asked, outcome, status, error_type, model_key, deployment, provider, served,
    latency_ms, first_token_ms, decided_us, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    reasoning_tokens, cost_pusd * 1e-12 AS cost_usd, cache_savings_pusd * 1e-12 AS cache_savings_usd, context_utilisation,
    attempts, finish, signal, probability, picks
FROM llm_interaction;

CREATE VIEW attempts_v1 AS
SELECT a.day, a.decision, a.number, i.trace, i.namespace, i.category, i.started_at + a.started_ms * interval '1 ms' AS started_at,
    a.model_key, a.deployment, a.provider, a.served, a.outcome, a.error_type, a.status, a.span, a.started_ms, a.latency_ms,
    a.first_token_ms, a.input_tokens, a.output_tokens, a.cache_read_tokens, a.cache_write_tokens, a.reasoning_tokens,
    a.cost_pusd * 1e-12 AS cost_usd, a.assumed_cost_pusd * 1e-12 AS assumed_cost_usd
FROM llm_attempt AS a
JOIN llm_interaction AS i ON i.day = a.day AND i.decision = a.decision;

CREATE VIEW prices_v1 AS
SELECT model_key, samples, input_usd_per_mtok, output_usd_per_mtok, blended_usd_per_mtok, confidence, listed_usd_per_mtok,
    first_at, last_at, computed_at
FROM model_pricing_catalog;

-- Which price classes the calls of each provider went to.
CREATE VIEW tiers_v1 AS
SELECT s.window_days, s.provider, l.tier, sum(s.calls)::bigint AS calls, sum(s.successes)::bigint AS successes,
    (sum(s.calls) / sum(sum(s.calls)) OVER (PARTITION BY s.window_days, s.provider))::float8 AS share,
    sum(s.cost_pusd) * 1e-12 AS known_cost_usd
FROM model_scoreboard AS s
LEFT JOIN model_listing AS l USING (model_key)
GROUP BY s.window_days, s.provider, l.tier;
