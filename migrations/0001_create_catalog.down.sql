DROP TABLE catalog_attempt;
DROP TABLE catalog_change;
DROP TABLE catalog_entry;
DROP TABLE catalog_revision;
DROP TABLE catalog_source;
