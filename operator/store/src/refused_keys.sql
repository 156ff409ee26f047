-- By arrival, which has an index: what came in the last hour is little beside what a day's partition holds.
WITH tried AS (
    SELECT i.namespace, i.policy, coalesce(a.provider, split_part(a.model_key, '/', 1)) AS provider, i.started_at,
        a.status, a.outcome = 'failed' AND a.status IN (401, 402, 403) AS refused, a.outcome = 'succeeded' AS succeeded
    FROM llm_interaction i JOIN llm_attempt a USING (day, decision)
    WHERE i.ingested_at > now() - interval '1 hour'
), keys AS (
    SELECT namespace, policy, provider, count(*) FILTER (WHERE refused) AS calls,
        (array_agg(status ORDER BY started_at DESC) FILTER (WHERE refused))[1] AS status,
        max(started_at) FILTER (WHERE refused) AS refused_at, max(started_at) FILTER (WHERE succeeded) AS succeeded_at
    FROM tried GROUP BY namespace, policy, provider
)
SELECT namespace, policy, provider, calls, status FROM keys
WHERE refused_at IS NOT NULL AND (succeeded_at IS NULL OR succeeded_at < refused_at)
ORDER BY namespace COLLATE "C", policy COLLATE "C", provider COLLATE "C" LIMIT 50
