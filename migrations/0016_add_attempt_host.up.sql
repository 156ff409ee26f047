-- Who was asked, so that sources can be polite together. NULL in attempts of before, and where nobody is asked.
ALTER TABLE catalog_attempt
    -- Host and port of the list.
    ADD COLUMN host       text,
    -- The key by its reference, namespace/name/key; never the key itself. NULL without one.
    ADD COLUMN credential text,
    -- Until when the run may ask; a run that began and has not ended keeps others from the host until then.
    ADD COLUMN asks_until timestamptz;
CREATE INDEX catalog_attempt_by_host ON catalog_attempt (host, started_at DESC) WHERE host IS NOT NULL;
