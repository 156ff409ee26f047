DROP VIEW tiers_v1;
DROP VIEW prices_v1;
DROP VIEW attempts_v1;
DROP VIEW calls_v1;
DROP VIEW scoreboard_v1;
DROP INDEX llm_feedback_by_arrival;
DROP TABLE model_listing;
