DROP TABLE model_pricing_catalog;
DROP TABLE scoreboard_rollup;
DROP TABLE model_scoreboard;
DROP FUNCTION call_succeeded;
