ALTER TABLE sidecar_presence DROP COLUMN missing;
