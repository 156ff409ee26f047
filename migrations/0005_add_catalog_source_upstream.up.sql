-- Where a source's models are called, as its spec said when it last could work: {"provider": …, "baseUrl": …}. Policies go on with it
-- while the spec cannot work, or the object is gone. NULL until a policy names the source.
ALTER TABLE catalog_source ADD COLUMN upstream jsonb;
