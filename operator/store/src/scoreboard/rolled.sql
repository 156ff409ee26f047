-- What calls say of models, one row a group.
--   $1 from when on        $2 the last day            $3 a context used more than this is crowded
--   $4 all cells, else those of $5 (model keys) and $6 (categories)
--   $7 one namespace, or NULL                         $8, $9, $10 whether to group by model, category, provider
-- A call's day is that of its id and may lie beside that of its start, at midnight by one.
WITH judged AS (
    -- One judgement a call, however many speak of it. A score says more than a thumb.
    SELECT decision_day, decision, namespace,
        avg(CASE WHEN score IS NOT NULL THEN (score::numeric + 1) / 2 WHEN thumb IS NOT NULL THEN (thumb + 1) / 2 END) AS quality,
        bool_or(coalesce(abstain, false)) AS abstained
    FROM llm_feedback
    WHERE decision_day >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 1
    GROUP BY decision_day, decision, namespace
), said AS (
    -- What a call says of the model of its last try.
    SELECT i.model_key, i.category, i.provider, i.started_at, call_succeeded(i.outcome, i.signal, judged.quality IS NOT NULL) AS success,
        i.latency_ms, i.first_token_ms, i.output_tokens, i.input_tokens, i.cache_read_tokens, i.cache_write_tokens,
        i.cost_pusd, i.cost_pusd IS NULL AS cost_unknown, i.cache_savings_pusd, i.context_utilisation,
        judged.quality,
        coalesce(judged.abstained, false) AS abstained
    FROM llm_interaction AS i
    LEFT JOIN judged ON judged.decision_day = i.day AND judged.decision = i.decision AND judged.namespace = i.namespace
    WHERE i.day >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 1 AND i.day <= $2 AND i.started_at >= $1
        AND i.outcome IN ('answered', 'failed', 'cut') AND i.model_key IS NOT NULL AND i.category IS NOT NULL
        AND ($4 OR (i.model_key, i.category) IN (SELECT * FROM unnest($5::text[], $6::text[])))
        AND ($7::text IS NULL OR i.namespace = $7)
    UNION ALL
    -- What it says of each other model that was tried in vain: a failed call, once, whose cost the last one bears.
    (SELECT DISTINCT ON (i.day, i.decision, a.model_key) a.model_key, i.category, a.provider, i.started_at, false,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, false
    FROM llm_interaction AS i
    JOIN llm_attempt AS a ON a.day = i.day AND a.decision = i.decision
    WHERE i.day >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 1 AND i.day <= $2 AND i.started_at >= $1
        AND i.attempts > 1 AND i.outcome IN ('answered', 'failed', 'cut', 'cancelled') AND i.category IS NOT NULL
        AND a.outcome = 'failed' AND a.model_key IS DISTINCT FROM i.model_key
        AND ($4 OR (a.model_key, i.category) IN (SELECT * FROM unnest($5::text[], $6::text[])))
        AND ($7::text IS NULL OR i.namespace = $7)
    ORDER BY i.day, i.decision, a.model_key, a.number)
)
SELECT
    of_model AS model_key,
    of_category AS category,
    CASE WHEN $8 OR $10 THEN min(provider) END AS provider,
    count(*) AS calls,
    count(*) FILTER (WHERE success) AS successes,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE success) AS p50_latency_ms,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE success) AS p99_latency_ms,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY first_token_ms) FILTER (WHERE success) AS p50_first_token_ms,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY first_token_ms) FILTER (WHERE success) AS p99_first_token_ms,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY (latency_ms - first_token_ms)::float8 / (output_tokens - 1))
        FILTER (WHERE success AND output_tokens > 1) AS p50_token_ms,
    CASE WHEN NOT bool_or(cost_unknown) THEN coalesce(sum(cost_pusd), 0) END AS cost_pusd,
    avg(quality)::float8 AS quality,
    count(quality) AS judged,
    CASE WHEN count(quality) > 0 THEN 'feedback' END AS quality_source,
    coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
    coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
    coalesce(sum(cache_read_tokens), 0)::bigint AS cache_read_tokens,
    coalesce(sum(cache_write_tokens), 0)::bigint AS cache_write_tokens,
    coalesce(sum(cache_savings_pusd), 0) AS cache_savings_pusd,
    -- Sums of binary fractions depend on their order in the last digits.
    round(avg(context_utilisation)::numeric, 9)::float8 AS context_utilisation,
    count(*) FILTER (WHERE context_utilisation > $3) AS context_above,
    count(*) FILTER (WHERE abstained) AS abstentions,
    min(started_at) AS first_at,
    max(started_at) AS last_at
FROM (SELECT said.*, CASE WHEN $8 THEN model_key END COLLATE "C" AS of_model, CASE WHEN $9 THEN category END COLLATE "C" AS of_category,
        CASE WHEN $10 THEN provider END COLLATE "C" AS of_provider
    FROM said) AS keyed
-- All rows are sorted by their group, and most comparisons end at a number.
GROUP BY hashtextextended(of_model, hashtext(coalesce(of_category, ''))), of_model, of_category, of_provider
