-- The hours of day $1 together: rows of scoreboard_day.
INSERT INTO scoreboard_day
SELECT day, min(hour), namespace, model_key, category, provider, sum(calls), sum(served), sum(successes),
    ARRAY(SELECT value FROM unnest(concatenated(latency_ms)) AS value ORDER BY value),
    ARRAY(SELECT value FROM unnest(concatenated(first_token_ms)) AS value ORDER BY value),
    ARRAY(SELECT value FROM unnest(concatenated(token_ms)) AS value ORDER BY value),
    sum(cost_pusd), sum(cost_unknown), sum(quality), sum(judged), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
    sum(cache_write_tokens), sum(cache_savings_pusd), sum(context), sum(context_known), sum(context_above), sum(abstentions),
    sum(priced), min(first_at), max(last_at)
FROM scoreboard_hour
WHERE day = $1
GROUP BY day, namespace, model_key, category, provider
