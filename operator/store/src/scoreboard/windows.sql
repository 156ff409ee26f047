-- One row a window and group, made of `counts`.
--
-- Percentiles are those of all values, and yet few are looked at. Of the same percentile of each day's values some lie below and
-- some above that of all: these are pivots. How many values there are up to each pivot says between which two the percentile
-- is, and only what lies there is sorted.
, total AS MATERIALIZED (
    SELECT row_number() OVER () AS place, window_days, of_model, of_category, of_provider,
        CASE WHEN of_model <> '' OR of_provider <> '' THEN min(nullif(provider, '')) END AS provider,
        sum(calls)::bigint AS calls,
        sum(successes)::bigint AS successes,
        CASE WHEN sum(cost_unknown) = 0 THEN sum(cost_pusd) END AS cost_pusd,
        (sum(quality) / nullif(sum(judged), 0))::float8 AS quality,
        sum(judged)::bigint AS judged,
        CASE WHEN sum(judged) > 0 THEN 'feedback' END AS quality_source,
        sum(input_tokens)::bigint AS input_tokens,
        sum(output_tokens)::bigint AS output_tokens,
        sum(cache_read_tokens)::bigint AS cache_read_tokens,
        sum(cache_write_tokens)::bigint AS cache_write_tokens,
        sum(cache_savings_pusd) AS cache_savings_pusd,
        -- Sums of binary fractions depend on their order in the last digits.
        round((sum(context) / nullif(sum(context_known), 0)::float8)::numeric, 9)::float8 AS context_utilisation,
        sum(context_above)::bigint AS context_above,
        sum(abstentions)::bigint AS abstentions,
        min(first_at) AS first_at,
        max(last_at) AS last_at
    FROM counts GROUP BY window_days, of_model, of_category, of_provider
), measured AS MATERIALIZED (
    -- Put together with nothing, an array is fetched from where it is kept once, and not at every look.
    SELECT place, name, sorted, cardinality(sorted) AS size, sorted[ceil(0.5::float8 * cardinality(sorted))::integer] AS p50,
        sorted[ceil(0.99::float8 * cardinality(sorted))::integer] AS p99
    FROM (SELECT place, name, sorted
        FROM counts JOIN total USING (window_days, of_model, of_category, of_provider)
        CROSS JOIN LATERAL (VALUES ('latency', latency_ms || '{}'::float8[]), ('first token', first_token_ms || '{}'::float8[]),
            ('token', token_ms || '{}'::float8[])) AS named (name, sorted)
        OFFSET 0) AS fetched
    WHERE sorted <> '{}'
), pivot AS MATERIALIZED (
    SELECT place, name, sum(size) AS size, percentile_disc(ARRAY[0.2, 0.5, 0.8]) WITHIN GROUP (ORDER BY p50)
            || percentile_disc(ARRAY[0.2, 0.5, 0.8]) WITHIN GROUP (ORDER BY p99) AS pivots
    -- Without the arrays, which sorting would drag along.
    FROM (SELECT place, name, size, p50, p99 FROM measured OFFSET 0) AS own
    GROUP BY place, name
), counted_to AS (
    SELECT place, name, pivot.size, pivots, ARRAY[sum(width_bucket(pivots[1], sorted)), sum(width_bucket(pivots[2], sorted)),
        sum(width_bucket(pivots[3], sorted)), sum(width_bucket(pivots[4], sorted)), sum(width_bucket(pivots[5], sorted)),
        sum(width_bucket(pivots[6], sorted))] AS counts
    FROM measured JOIN pivot USING (place, name) GROUP BY place, name, pivot.size, pivots
), between_two AS MATERIALIZED (
    -- Of these values the wanted one is that of this place.
    SELECT place, name, share, ceil(share * size) - coalesce(max(up_to) FILTER (WHERE up_to < share * size), 0) AS wanted,
        coalesce(max(pivot) FILTER (WHERE up_to < share * size), '-Infinity') AS low,
        coalesce(min(pivot) FILTER (WHERE up_to >= share * size), 'Infinity') AS high
    FROM counted_to CROSS JOIN unnest(pivots, counts) AS p (pivot, up_to) CROSS JOIN (VALUES (0.5::float8), (0.99)) AS s (share)
    GROUP BY place, name, share, size
), candidate AS MATERIALIZED (
    SELECT place, name, share, wanted, value
    FROM measured JOIN between_two USING (place, name)
    CROSS JOIN LATERAL unnest(sorted[width_bucket(low, sorted) + 1 : width_bucket(high, sorted)]) AS value
), found AS (
    SELECT place, name, share, (array_agg(value ORDER BY value))[wanted::integer] AS value
    FROM candidate GROUP BY place, name, share, wanted
), percentile AS (
    SELECT place,
        max(value) FILTER (WHERE name = 'latency' AND share = 0.5)::bigint AS p50_latency_ms,
        max(value) FILTER (WHERE name = 'latency' AND share = 0.99)::bigint AS p99_latency_ms,
        max(value) FILTER (WHERE name = 'first token' AND share = 0.5)::bigint AS p50_first_token_ms,
        max(value) FILTER (WHERE name = 'first token' AND share = 0.99)::bigint AS p99_first_token_ms,
        max(value) FILTER (WHERE name = 'token' AND share = 0.5) AS p50_token_ms
    FROM found GROUP BY place
), windows AS (
    SELECT *, nullif(of_model, '') AS model_key, nullif(of_category, '') AS category
    FROM total LEFT JOIN percentile USING (place)
)
