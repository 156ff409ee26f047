ALTER TABLE catalog_source
    -- How many rows of the provider's newest list are no model. Of the list and not of a revision: equal entries make no new one.
    ADD COLUMN refused  bigint NOT NULL DEFAULT 0,
    -- The first few of them and why, for people.
    ADD COLUMN refusals text   NOT NULL DEFAULT '';
