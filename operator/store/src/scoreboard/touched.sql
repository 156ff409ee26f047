-- Hours of which something came since $1, each with the models and categories that it speaks of; NULL where it does of none.
SELECT i.day, hour_of(i.started_at) AS hour, i.model_key, i.category
FROM llm_interaction AS i
WHERE i.ingested_at >= $1
UNION
SELECT i.day, hour_of(i.started_at), a.model_key, i.category
FROM llm_interaction AS i JOIN llm_attempt AS a ON a.day = i.day AND a.decision = i.decision
WHERE i.ingested_at >= $1 AND i.attempts > 1
UNION
SELECT i.day, hour_of(i.started_at), i.model_key, i.category
FROM llm_feedback AS f JOIN llm_interaction AS i ON i.day = f.decision_day AND i.decision = f.decision
WHERE f.ingested_at >= $1
