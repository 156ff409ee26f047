-- What calls say of models: rows of scoreboard_hour.
--   $1 the day   $2 all of it, else the hours of $3   $4 a context used more than this is crowded
INSERT INTO scoreboard_hour
WITH judged AS (
    -- One judgement a call, however many speak of it. A score says more than a thumb.
    SELECT decision_day, decision, namespace,
        avg(CASE WHEN score IS NOT NULL THEN (score::numeric + 1) / 2 WHEN thumb IS NOT NULL THEN (thumb + 1) / 2 END) AS quality,
        bool_or(coalesce(abstain, false)) AS abstained
    FROM llm_feedback
    WHERE decision_day = $1
    GROUP BY decision_day, decision, namespace
), said AS (
    -- What a call says of the model of its last try.
    SELECT i.day, hour_of(i.started_at) AS hour, i.namespace, i.model_key, i.category, i.provider, i.started_at, true AS served,
        call_succeeded(i.outcome, i.signal, judged.quality IS NOT NULL) AS success,
        i.latency_ms, i.first_token_ms, i.output_tokens, i.input_tokens, i.cache_read_tokens, i.cache_write_tokens,
        i.cost_pusd, i.cost_pusd IS NULL AS cost_unknown, i.cache_savings_pusd, i.context_utilisation,
        judged.quality,
        coalesce(judged.abstained, false) AS abstained,
        call_tells_price(i.outcome, i.attempts, i.cost_pusd, i.input_tokens, i.output_tokens, i.cache_read_tokens,
            i.cache_write_tokens) AS priced
    FROM llm_interaction AS i
    LEFT JOIN judged ON judged.decision_day = i.day AND judged.decision = i.decision AND judged.namespace = i.namespace
    WHERE i.day = $1
        AND i.outcome IN ('answered', 'failed', 'cut') AND i.model_key IS NOT NULL AND i.category IS NOT NULL
        AND ($2 OR hour_of(i.started_at) = ANY ($3::timestamptz[]))
    UNION ALL
    -- What it says of each other model that was tried in vain: a failed call, once, whose cost the last one bears.
    (SELECT DISTINCT ON (i.day, i.decision, a.model_key) i.day, hour_of(i.started_at), i.namespace, a.model_key, i.category,
        a.provider, i.started_at, false, false,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, false, false
    FROM llm_interaction AS i
    JOIN llm_attempt AS a ON a.day = i.day AND a.day = $1 AND a.decision = i.decision
    WHERE i.day = $1
        AND i.attempts > 1 AND i.outcome IN ('answered', 'failed', 'cut', 'cancelled') AND i.category IS NOT NULL
        AND a.outcome = 'failed' AND a.model_key IS DISTINCT FROM i.model_key
        AND ($2 OR hour_of(i.started_at) = ANY ($3::timestamptz[]))
    ORDER BY i.day, i.decision, a.model_key, a.number)
)
SELECT day, hour, namespace, model_key, category, coalesce(provider, ''),
    count(*),
    count(*) FILTER (WHERE served),
    count(*) FILTER (WHERE success),
    coalesce(array_agg(latency_ms::float8 ORDER BY latency_ms) FILTER (WHERE success), '{}'),
    coalesce(array_agg(first_token_ms::float8 ORDER BY first_token_ms) FILTER (WHERE success AND first_token_ms IS NOT NULL), '{}'),
    coalesce(array_agg((latency_ms - first_token_ms)::float8 / (output_tokens - 1)
            ORDER BY (latency_ms - first_token_ms)::float8 / (output_tokens - 1))
        FILTER (WHERE success AND first_token_ms IS NOT NULL AND output_tokens > 1), '{}'),
    coalesce(sum(cost_pusd), 0),
    count(*) FILTER (WHERE cost_unknown),
    coalesce(sum(quality), 0),
    count(quality),
    coalesce(sum(input_tokens), 0)::bigint,
    coalesce(sum(output_tokens), 0)::bigint,
    coalesce(sum(cache_read_tokens), 0)::bigint,
    coalesce(sum(cache_write_tokens), 0)::bigint,
    coalesce(sum(cache_savings_pusd), 0),
    coalesce(sum(context_utilisation), 0),
    count(context_utilisation),
    count(*) FILTER (WHERE context_utilisation > $4),
    count(*) FILTER (WHERE abstained),
    count(*) FILTER (WHERE priced),
    min(started_at),
    max(started_at)
FROM said
GROUP BY day, hour, namespace, model_key, category, coalesce(provider, '')
