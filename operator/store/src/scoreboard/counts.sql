-- What was counted in each window: `counts`, rows of scoreboard_day, and of scoreboard_hour of those days that the window begins
-- in. Each has the model, category and provider that it is grouped by (`of_model`, `of_category`, `of_provider`); empty where it is not.
--   $1 windows, in days   $2 when each began, on a whole hour   $3 the last day
--   $4 all models and categories, else those of $5 and $6       $7 one namespace, or NULL
--   $8, $9, $10 whether to group by model, category, provider
WITH counted AS (
    SELECT days AS window_days, began, d.*
    FROM scoreboard_day AS d JOIN unnest($1::integer[], $2::timestamptz[]) AS w (days, began) ON d.last_at >= w.began
    WHERE d.day <= $3 AND ($4 OR (d.model_key, d.category) IN (SELECT * FROM unnest($5::text[], $6::text[])))
        AND ($7::text IS NULL OR d.namespace = $7)
), begun AS MATERIALIZED (
    SELECT window_days, began, day, namespace, model_key, category, provider FROM counted WHERE hour < began
), chosen AS (
    SELECT * FROM counted WHERE hour >= began
    UNION ALL
    SELECT window_days, began, h.*
    FROM scoreboard_hour AS h JOIN begun USING (day, namespace, model_key, category, provider)
    WHERE h.day = ANY (ARRAY(SELECT day FROM begun)) AND h.hour >= began
), counts AS MATERIALIZED (
    SELECT CASE WHEN $8 THEN model_key ELSE '' END COLLATE "C" AS of_model,
        CASE WHEN $9 THEN category ELSE '' END COLLATE "C" AS of_category,
        CASE WHEN $10 THEN provider ELSE '' END COLLATE "C" AS of_provider, *
    FROM chosen
)
