-- The calls of one policy, those that were asked and decided alike together, with the sums of what they came to.
--   $1 from when on   $2 until when   $3 the namespace   $4 the policy
-- A call's day is that of its id and may lie beside that of its start, at midnight by one.
WITH judged AS (
    SELECT DISTINCT decision_day, decision FROM llm_feedback
    WHERE decision_day >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 1 AND namespace = $3
        AND (score IS NOT NULL OR thumb IS NOT NULL)
), said AS (
    SELECT i.category, i.complexity, i.asked, i.endpoint = 'embeddings' AS embedding, i.streamed, i.needs, i.estimated_tokens,
        -- A quarter of an octave: few prompts are of one length, and few models' contexts lie between two that are nearly.
        floor(4 * ln(greatest(i.estimated_tokens, 1)::float8) / ln(2::float8))::int AS about, i.max_output_tokens, i.picks[1] AS first, i.probability,
        call_succeeded(i.outcome, i.signal, j.decision IS NOT NULL) AS success, i.attempts > 1 AS fell_back,
        i.cost_pusd * 1e-12::float8 AS cost_usd, i.latency_ms::float8 AS latency_ms,
        CASE WHEN i.outcome NOT IN ('answered', 'failed', 'cut') OR i.category IS NULL OR i.complexity IS NULL OR i.picks = '{}'
                THEN 'undecided'
            WHEN i.narrowed THEN 'narrowed' WHEN i.estimated_tokens IS NULL THEN 'unsaid' END AS left_out
    FROM llm_interaction AS i
    LEFT JOIN judged AS j ON j.decision_day = i.day AND j.decision = i.decision
    WHERE i.day >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 1 AND i.day <= ($2::timestamptz AT TIME ZONE 'UTC')::date + 1
        AND i.started_at >= $1 AND i.started_at < $2 AND i.namespace = $3 AND i.policy = $4
)
SELECT left_out, category, complexity, asked, embedding, streamed, needs, max(estimated_tokens) AS input_tokens, max_output_tokens,
    first, probability, count(*) AS calls, count(*) FILTER (WHERE success) AS successes,
    count(*) FILTER (WHERE fell_back) AS fell_back,
    count(cost_usd) AS costs, coalesce(sum(cost_usd), 0) AS cost, coalesce(sum(cost_usd ^ 2), 0) AS cost_squares,
    count(*) FILTER (WHERE success) AS latencies, coalesce(sum(latency_ms) FILTER (WHERE success), 0) AS latency,
    coalesce(sum(latency_ms ^ 2) FILTER (WHERE success), 0) AS latency_squares
FROM said
GROUP BY left_out, category, complexity, asked, embedding, streamed, needs, about, max_output_tokens, first, probability
ORDER BY calls DESC, category COLLATE "C", complexity, first COLLATE "C", input_tokens, max_output_tokens, asked COLLATE "C",
    probability, needs, streamed
LIMIT $5
