DROP TABLE routing_snapshot;
DROP TABLE routing_policy;
