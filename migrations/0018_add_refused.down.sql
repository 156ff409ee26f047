ALTER TABLE catalog_source
    DROP COLUMN refused,
    DROP COLUMN refusals;
