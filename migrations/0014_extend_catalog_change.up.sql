-- A model may change in several ways at once, and in more ways than by price; and a model that one fetch did not list stays, as a
-- suspect, until another one misses it as well.

ALTER TABLE catalog_change
    DROP CONSTRAINT catalog_change_change_check,
    ADD CONSTRAINT catalog_change_change_check CHECK (change IN
        ('added', 'removed', 'suspect', 'returned', 'repriced', 'context', 'capability', 'deprecated', 'superseded')),
    DROP CONSTRAINT catalog_change_pkey,
    ADD PRIMARY KEY (source_uid, revision, model_id, change);

-- Who named a model that is gone asks for it by its id.
CREATE INDEX catalog_change_by_model ON catalog_change (source_uid, model_id, revision DESC);

-- Models of the revision that the provider did not list when it was last asked.
ALTER TABLE catalog_revision ADD COLUMN suspect bigint NOT NULL DEFAULT 0;
CREATE INDEX catalog_revision_by_time ON catalog_revision (published_at);
