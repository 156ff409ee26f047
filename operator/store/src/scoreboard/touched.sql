-- Cells that may differ from what stands: those of which something came since $1, and those of which a window of $2 days, which
-- begins at $3 now, has left something behind.
SELECT i.model_key, i.category FROM llm_interaction AS i
WHERE i.ingested_at >= $1 AND i.model_key IS NOT NULL AND i.category IS NOT NULL
UNION
SELECT a.model_key, i.category FROM llm_interaction AS i JOIN llm_attempt AS a ON a.day = i.day AND a.decision = i.decision
WHERE i.ingested_at >= $1 AND i.attempts > 1 AND i.category IS NOT NULL
UNION
SELECT i.model_key, i.category FROM llm_feedback AS f JOIN llm_interaction AS i ON i.day = f.decision_day AND i.decision = f.decision
WHERE f.ingested_at >= $1 AND i.model_key IS NOT NULL AND i.category IS NOT NULL
UNION
SELECT s.model_key, s.category FROM model_scoreboard AS s
JOIN unnest($2::integer[], $3::timestamptz[]) AS w (days, began) ON w.days = s.window_days
WHERE s.first_at < w.began
