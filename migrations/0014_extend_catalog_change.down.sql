DROP INDEX catalog_revision_by_time;
ALTER TABLE catalog_revision DROP COLUMN suspect;
DROP INDEX catalog_change_by_model;
DELETE FROM catalog_change WHERE change NOT IN ('added', 'removed', 'repriced');
ALTER TABLE catalog_change
    DROP CONSTRAINT catalog_change_pkey,
    ADD PRIMARY KEY (source_uid, revision, model_id),
    DROP CONSTRAINT catalog_change_change_check,
    ADD CONSTRAINT catalog_change_change_check CHECK (change IN ('added', 'removed', 'repriced'));
-- The program before knows no suspects.
UPDATE catalog_entry SET entry = entry - 'suspect' WHERE entry ? 'suspect';
