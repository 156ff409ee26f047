DROP INDEX catalog_attempt_by_host;
ALTER TABLE catalog_attempt
    DROP COLUMN host,
    DROP COLUMN credential,
    DROP COLUMN asks_until;
