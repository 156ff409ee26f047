DROP TABLE budget_lease;
DROP TABLE budget_day;
