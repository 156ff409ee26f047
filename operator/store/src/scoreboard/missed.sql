-- Days that have more or fewer calls than when their hours were counted.
SELECT day
FROM (SELECT day, count(*) AS calls FROM llm_interaction GROUP BY day) AS there
FULL JOIN (SELECT day, sum(calls) AS calls FROM scoreboard_hour_count GROUP BY day) AS counted USING (day)
WHERE there.calls IS DISTINCT FROM counted.calls
