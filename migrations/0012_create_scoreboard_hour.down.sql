DROP TABLE scoreboard_progress;
DROP TABLE scoreboard_hour_count;
DROP TABLE scoreboard_day;
DROP TABLE scoreboard_hour;
DROP AGGREGATE concatenated(double precision[]);
DROP FUNCTION call_tells_price;
DROP FUNCTION hour_of;
