-- With which contracts and program the published catalog was derived from the provider's list, as the run that brought it says.
-- NULL in catalogs of before: their next fetch is a whole one.
ALTER TABLE catalog_source ADD COLUMN inferred_with bigint;
