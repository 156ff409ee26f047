ALTER TABLE catalog_source DROP COLUMN upstream;
