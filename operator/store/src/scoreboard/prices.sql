-- Prices as they were billed, by model. Only calls of one try that read and wrote no cache: there, what was paid is
-- input tokens x input price + output tokens x output price, and nothing else.
--   $1 from when on   $2 the last day   $3 all models, else those of $4   $5 how many of a model's newest calls
--   $6, $7 from how many samples on confidence is medium, high            $8 when this is computed
WITH since AS MATERIALIZED (
    -- The hour from which on there are enough; where there are not, the beginning.
    SELECT model_key, coalesce(max(hour) FILTER (WHERE newer >= $5), $1) AS moment
    FROM (SELECT model_key, hour, sum(sum(priced)) OVER (PARTITION BY model_key ORDER BY hour DESC) AS newer
        FROM scoreboard_hour WHERE day >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 1 AND day <= $2 AND hour >= $1
            AND ($3 OR model_key = ANY ($4::text[]))
        GROUP BY model_key, hour) AS hourly
    GROUP BY model_key
), sample AS (
    SELECT i.model_key, i.started_at, i.input_tokens::numeric AS x, i.output_tokens::numeric AS y, i.cost_pusd::numeric AS c,
        row_number() OVER (PARTITION BY i.model_key ORDER BY i.started_at DESC, i.decision) AS place
    FROM llm_interaction AS i LEFT JOIN since USING (model_key) LEFT JOIN model_listing AS l USING (model_key)
    -- A call's day may lie beside that of its start. A model may have calls without a category only, which no hour tells of.
    WHERE i.day >= ((CASE WHEN $3 THEN $1 ELSE coalesce((SELECT min(moment) FROM since), $1) END)::timestamptz
            AT TIME ZONE 'UTC')::date - 1
        AND i.day <= $2 AND i.started_at >= coalesce(since.moment, $1) AND i.model_key IS NOT NULL
        -- Gateways charge by another price some seconds after a catalog says it.
        AND (l.repriced_at IS NULL OR i.started_at >= l.repriced_at + interval '1 minute')
        AND call_tells_price(i.outcome, i.attempts, i.cost_pusd, i.input_tokens, i.output_tokens, i.cache_read_tokens,
            i.cache_write_tokens)
        AND ($3 OR i.model_key = ANY ($4::text[]))
), sums AS (
    SELECT model_key, count(*) AS n, sum(x) AS x, sum(y) AS y, sum(c) AS c, sum(x * x) AS xx, sum(y * y) AS yy, sum(x * y) AS xy,
        sum(x * c) AS xc, sum(y * c) AS yc, sum(c * c) AS cc, min(started_at) AS first_at, max(started_at) AS last_at
    FROM sample WHERE place <= $5 GROUP BY model_key
), solved AS (
    -- Least squares without a constant term. Where input and output grow together (less than 6 degrees apart) two prices cannot
    -- be told from one another; where there is no output at all there is one price.
    SELECT *,
        CASE WHEN yy = 0 THEN xc / xx WHEN xx * yy - xy * xy > 0.01 * xx * yy THEN (yy * xc - xy * yc) / (xx * yy - xy * xy) END AS a,
        CASE WHEN yy > 0 AND xx * yy - xy * xy > 0.01 * xx * yy THEN (xx * yc - xy * xc) / (xx * yy - xy * xy) END AS b
    FROM sums
), judged AS (
    -- Two prices that miss what was paid by more than a twentieth (root mean square) are none: it is billed in another way,
    -- or it changed meanwhile. Costs are whole pico-USD, so that a price of zero may come out a little below.
    SELECT *, a >= -0.001 * c / (x + y) AND coalesce(b, 0) >= -0.001 * c / (x + y)
        AND cc - a * xc - coalesce(b, 0) * yc <= 0.0025 * cc + 1 AS fits
    FROM solved
)
INSERT INTO model_pricing_catalog (model_key, samples, input_usd_per_mtok, output_usd_per_mtok, blended_usd_per_mtok, confidence,
    listed_usd_per_mtok, first_at, last_at, computed_at)
-- A pico-USD a token is a millionth of a USD a million tokens.
SELECT model_key, n,
    CASE WHEN fits THEN round(greatest(a, 0) / 1e6, 6) END,
    CASE WHEN fits AND b IS NOT NULL THEN round(greatest(b, 0) / 1e6, 6) END,
    round(c / (x + y) / 1e6, 6),
    CASE WHEN n >= $7 THEN 'high' WHEN n >= $6 THEN 'medium' ELSE 'low' END,
    CASE WHEN y = 0 THEN round(l.input_usd_per_mtok, 6)
        ELSE round((l.input_usd_per_mtok * x + l.output_usd_per_mtok * y) / (x + y), 6) END,
    first_at, last_at, $8
FROM judged LEFT JOIN model_listing AS l USING (model_key)
