ALTER TABLE catalog_source DROP COLUMN inferred_with;
